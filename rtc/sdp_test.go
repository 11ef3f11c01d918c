package rtc

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"intercom/call"
)

// goodSDP has the shape of an own offer; its fingerprint is a made-up one.
var goodSDP = strings.Join([]string{
	"v=0", "o=- 1 2 IN IP4 0.0.0.0", "s=-", "t=0 0",
	"a=fingerprint:sha-256 " + colons(strings.Repeat("a7", 32)),
	"a=group:BUNDLE 0 1",
	"m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0",
	"a=setup:actpass", "a=mid:0", "a=ice-ufrag:abcdefgh", "a=ice-pwd:abcdefghabcdefghabcdefgh", "a=rtcp-mux",
	"a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1",
	"a=ssrc:1 cname:a", "a=ssrc:1 msid:a b", "a=sendrecv",
	"a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host",
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0",
	"a=setup:actpass", "a=mid:1", "a=sendrecv", "a=sctp-port:5000",
	"a=ice-ufrag:abcdefgh", "a=ice-pwd:abcdefghabcdefghabcdefgh", "",
}, "\r\n")

// badSDPs maps what is wrong with an offer to the words its error must have.
var badSDPs = []struct {
	name, sdp, want string
}{
	{"empty", "", "0 audio lines"},
	{"noise", "\x00\xff", "parsed"},
	{"huge", goodSDP + strings.Repeat("a=x\r\n", maxSDP/5), "bytes, more than"},
	{"video", goodSDP + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\n", `"video" line`},
	{"two audio lines", goodSDP + section("m=audio"), "2 audio lines"},
	{"two data lines", goodSDP + section("m=application"), "2 data channel lines"},
	{"no audio", strings.Replace(goodSDP, section("m=audio"), "", 1), "0 audio lines"},
	{"no data channel", strings.Replace(goodSDP, section("m=application"), "", 1), "0 data channel lines"},
	{"audio rejected", strings.Replace(goodSDP, "m=audio 9", "m=audio 0", 1), `rejected "audio"`},
	{"no Opus", without("a=rtpmap"), "no opus"},
	{"other codec", strings.Replace(goodSDP, "opus/48000/2", "PCMU/8000", 1), "no opus"},
	{"no fingerprint", without("a=fingerprint"), "lacks the DTLS fingerprint"},
	{"sha-1", strings.Replace(goodSDP, "sha-256", "sha-1", 1), "not sha-256"},
	{"short fingerprint", strings.Replace(goodSDP, "A7:A7", "A7", 1), "not sha-256"},
	{"two fingerprints", goodSDP + "a=fingerprint:sha-256 " + colons(strings.Repeat("a8", 32)) + "\r\n", "several different"},
	{"no ufrag", without("a=ice-ufrag"), "lacks ice-ufrag"},
	{"endless ufrag", strings.Replace(goodSDP, "a=ice-ufrag:", "a=ice-ufrag:"+strings.Repeat("u", maxCredential), 1), "bytes of ice-ufrag"},
	{"no pwd", without("a=ice-pwd"), "lacks ice-pwd"},
	{"no mid", without("a=mid"), "lacks mid"},
	{"no sctp-port", without("a=sctp-port"), "lacks sctp-port"},
	{"old SCTP", strings.Replace(goodSDP, "webrtc-datachannel", "5000", 1), "needs webrtc-datachannel"},
	{"two streams", strings.Replace(goodSDP, "a=ssrc:1 msid", "a=ssrc:2 msid", 1), "several audio streams"},
	{"simulcast", strings.Replace(goodSDP, "a=rtcp-mux", "a=rid:1 send", 1), "simulcast"},
	{"too many candidates", strings.Replace(goodSDP, "a=rtcp-mux",
		strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", maxCandidates)+"a=rtcp-mux", 1), "65 candidates"},
}

func section(start string) string {
	_, rest, _ := strings.Cut(goodSDP, start)
	body, _, _ := strings.Cut(rest, "m=")
	return start + body
}

func without(prefix string) string {
	return regexp.MustCompile(`(?m)^`+prefix+`.*\r\n`).ReplaceAllString(goodSDP, "")
}

func TestCheckSDP(t *testing.T) {
	if got, err := checkSDP(goodSDP); err != nil || got != strings.Repeat("a7", 32) {
		t.Errorf("good SDP: got %q, %v", got, err)
	}
	for _, c := range badSDPs {
		t.Run(c.name, func(t *testing.T) {
			if _, err := checkSDP(c.sdp); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestBadSDPFailsTheSession(t *testing.T) {
	m := testMedia(t, nil)
	for _, c := range badSDPs {
		t.Run(c.name, func(t *testing.T) {
			caller := newEnd(t, m, call.RoleCaller)
			caller.AcceptOffer(c.sdp)
			if err := caller.next(call.SessionFailed).Err; !strings.Contains(err.Error(), "accept the offer") {
				t.Errorf("got %v, want what was done", err)
			}
		})
	}
	callee := newEnd(t, m, call.RoleCallee)
	callee.Offer()
	callee.next(call.SessionOffer)
	callee.AcceptAnswer("nonsense")
	callee.next(call.SessionFailed)
}

// A restart must not bring another certificate in.
func TestFingerprintMayNotChange(t *testing.T) {
	m := testMedia(t, nil)
	callee, caller := connect(t, m, m)
	callee.Restart()
	caller.AcceptOffer(forge(t, callee.next(call.SessionOffer).SDP))
	if err := caller.next(call.SessionFailed).Err; !strings.Contains(err.Error(), "another fingerprint") {
		t.Errorf("got %v", err)
	}
}

// What checkSDP accepts, a session answers or refuses, and never panics.
func FuzzAcceptOffer(f *testing.F) {
	f.Add(goodSDP)
	for _, c := range badSDPs {
		f.Add(c.sdp)
	}
	m := testMedia(f, nil)
	f.Fuzz(func(t *testing.T, sdp string) {
		_, err := checkSDP(sdp)
		if len(sdp) > maxSDP && err == nil {
			t.Fatal("a huge SDP was accepted")
		}
		if err != nil {
			return
		}
		caller := newEnd(t, m, call.RoleCaller)
		caller.AcceptOffer(sdp)
		select {
		case ev := <-caller.events:
			if ev.Kind != call.SessionAnswer && ev.Kind != call.SessionFailed {
				t.Errorf("got event %+v", ev)
			}
		case <-time.After(patience):
			t.Error("neither answered nor refused")
		}
		_ = caller.Close()
	})
}
