package rtc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/pion/sdp/v3"
)

// Bounds of what a peer may send as description or candidate.
const (
	maxSDP        = 12 << 10 // bytes; an envelope of 16 KiB holds 12 KiB of base64url's content
	maxCandidates = 64       // in one SDP
	maxCandidate  = 512      // bytes of one trickled candidate
	maxCredential = 256      // bytes of an ICE ufrag or password (RFC 8839 section 5.4)
)

// attributeAnswers is the SDP attribute, of our own, by which an answer names
// the offer it belongs to: by the offer's ice-ufrag, new with each ICE restart.
// SDP has nothing for it (RFC 3264 counts on ordered signalling; MQTT and a
// lost path keep no order), and whoever does not know the attribute ignores it
// (RFC 8866 section 5.13).
const attributeAnswers = "x-intercom-answers"

// attribute is the value of the first attribute with that name, "" if none.
func attribute(raw, name string) string {
	for line := range strings.Lines(raw) {
		if v, ok := strings.CutPrefix(line, "a="+name+":"); ok {
			return strings.TrimRight(v, "\r\n")
		}
	}
	return ""
}

// checkSDP tells why a peer's offer or answer can't be used for a session of
// ours, and returns the certificate fingerprint in it: one audio line with
// Opus, one data channel line, ICE credentials, and one SHA-256 fingerprint
// that stands for all of it.
func checkSDP(raw string) (fingerprint string, err error) {
	if len(raw) > maxSDP {
		return "", fmt.Errorf("SDP has %d bytes, more than %d", len(raw), maxSDP)
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(raw); err != nil {
		return "", fmt.Errorf("SDP can't be parsed: %w", err)
	}
	var audio, data, candidates int
	for _, m := range d.MediaDescriptions {
		candidates += count(m.Attributes, "candidate")
		kind := m.MediaName.Media
		if m.MediaName.Port.Value == 0 {
			return "", fmt.Errorf("SDP has a rejected %q line", kind)
		}
		switch kind {
		case "audio":
			audio++
			err = checkAudio(m)
		case "application":
			data++
			err = checkData(m)
		default:
			err = fmt.Errorf("SDP has a %q line: only audio and a data channel are carried", kind)
		}
		if err != nil {
			return "", err
		}
		for _, key := range []string{"ice-ufrag", "ice-pwd"} {
			if v, ok := find(&d, m, key); !ok {
				return "", fmt.Errorf("SDP lacks %s for %s", key, kind)
			} else if len(v) > maxCredential {
				return "", fmt.Errorf("SDP has %d bytes of %s for %s, more than %d", len(v), key, kind, maxCredential)
			}
		}
		if _, ok := m.Attribute("mid"); !ok {
			return "", fmt.Errorf("SDP lacks mid for %s", kind)
		}
	}
	switch {
	case audio != 1:
		return "", fmt.Errorf("SDP has %d audio lines, needs one", audio)
	case data != 1:
		return "", fmt.Errorf("SDP has %d data channel lines, needs one", data)
	case candidates > maxCandidates:
		return "", fmt.Errorf("SDP has %d candidates, more than %d", candidates, maxCandidates)
	}
	return fingerprintOf(&d)
}

func checkAudio(m *sdp.MediaDescription) error {
	opus := false
	ssrc := ""
	for _, a := range m.Attributes {
		switch a.Key {
		case "rtpmap":
			_, codec, _ := strings.Cut(a.Value, " ")
			opus = opus || strings.EqualFold(codec, "opus/48000/2")
		case "ssrc":
			// A second stream would fill a buffer that nobody reads.
			id, _, _ := strings.Cut(a.Value, " ")
			if ssrc != "" && id != ssrc {
				return errors.New("SDP has several audio streams (ssrc), needs one")
			}
			ssrc = id
		case "rid", "simulcast":
			return errors.New("SDP has simulcast audio")
		}
	}
	if !opus {
		return errors.New("SDP offers no opus/48000/2 audio")
	}
	return nil
}

func checkData(m *sdp.MediaDescription) error {
	if len(m.MediaName.Formats) != 1 || m.MediaName.Formats[0] != "webrtc-datachannel" {
		return fmt.Errorf("SDP has an application line for %q, needs webrtc-datachannel", m.MediaName.Formats)
	}
	if _, ok := m.Attribute("sctp-port"); !ok {
		return errors.New("SDP lacks sctp-port for the data channel (RFC 8841)")
	}
	return nil
}

// fingerprintOf returns the one certificate fingerprint of a description,
// lower case hex without colons.
func fingerprintOf(d *sdp.SessionDescription) (string, error) {
	found := ""
	take := func(attributes []sdp.Attribute) error {
		for _, a := range attributes {
			if a.Key != "fingerprint" {
				continue
			}
			hash, value, _ := strings.Cut(a.Value, " ")
			raw, err := hex.DecodeString(strings.ReplaceAll(value, ":", ""))
			if !strings.EqualFold(hash, "sha-256") || err != nil || len(raw) != sha256.Size {
				return errors.New("SDP has a fingerprint that is not sha-256")
			}
			plain := hex.EncodeToString(raw)
			if found != "" && plain != found {
				return errors.New("SDP has several different fingerprints")
			}
			found = plain
		}
		return nil
	}
	err := take(d.Attributes)
	for _, m := range d.MediaDescriptions {
		err = errors.Join(err, take(m.Attributes))
	}
	if err == nil && found == "" {
		err = errors.New("SDP lacks the DTLS fingerprint")
	}
	return found, err
}

// find looks a line's attribute up, then the session's.
func find(d *sdp.SessionDescription, m *sdp.MediaDescription, key string) (string, bool) {
	if v, ok := m.Attribute(key); ok {
		return v, true
	}
	return d.Attribute(key)
}

func count(attributes []sdp.Attribute, key string) int {
	n := 0
	for _, a := range attributes {
		if a.Key == key {
			n++
		}
	}
	return n
}
