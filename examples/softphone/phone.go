package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"intercom/call"
	"intercom/identity"
	"intercom/mqttpush"
	"intercom/rtc"
)

var acceptAsItIs = call.AcceptOptions{}

type settings struct {
	dir                   string
	service, user, device string
	answer                bool
	log                   *slog.Logger
	out                   io.Writer
}

// phone is a Kit and the one call that it has, if any.
type phone struct {
	settings
	self  call.Address
	token string
	kit   *call.Kit
	close []func() error // what was opened, in that order

	mu  sync.Mutex // guards what follows, and out
	now *call.Call
}

// open brings the parts together: who we are (identity), the way to the broker
// (mqttpush), the voice's way (rtc), and the calls (call).
func open(s settings) (_ *phone, err error) {
	p := &phone{settings: s}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	key, err := identity.LoadKey(filepath.Join(s.dir, "device.key"))
	if err != nil {
		return nil, fmt.Errorf("%w; `intercom demo --guest %s` makes the folder", err, s.dir)
	}
	if p.token, err = line(s.dir, "device.token"); err != nil {
		return nil, err
	}
	broker, err := line(s.dir, "broker.url")
	if err != nil {
		return nil, err
	}
	authorities, err := identity.LoadAuthorities(filepath.Join(s.dir, "authority.pub"))
	if err != nil {
		return nil, err
	}
	floor := identity.OpenFloor(filepath.Join(s.dir, "clock-floor"), time.Time{}, s.log)
	p.close = append(p.close, floor.Close)
	verifier, err := identity.NewVerifier(authorities, []string{s.service}, floor)
	if err != nil {
		return nil, err
	}
	self := identity.Address{Service: s.service, User: s.user, Device: s.device, Session: identity.NewID()}
	if _, err := verifier.VerifyOwn(p.token, key, self); err != nil {
		return nil, err
	}
	seal, err := identity.NewSealer(key, p.token, self)
	if err != nil {
		return nil, err
	}
	p.self = call.Address(self)

	media, err := rtc.New(rtc.Config{IncludeLoopback: true, Log: s.log}) // the demo is on this machine
	if err != nil {
		return nil, err
	}
	p.close = append(p.close, media.Close)
	link, err := mqttpush.New(mqttpush.Config{
		URL: broker, Now: floor.Now, Self: p.self, Sealer: seal, Log: s.log,
		OnState: func(connected bool) {
			p.say("broker: %v", map[bool]string{true: "connected", false: "gone"}[connected])
		},
	})
	if err != nil {
		return nil, err
	}
	p.close = append(p.close, link.Close)
	p.kit, err = call.NewKit(call.Config{
		Self: p.self, Transport: link, Media: media,
		Sealer: mqttpush.NewSealer(seal, verifier, key, p.self),
		OnPush: p.pushed, NoCallWaiting: true, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	p.close = append(p.close, p.kit.Close)
	return p, nil
}

// line reads a file of one line.
func line(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b)), err
}

// Close ends the call and closes all, the last first.
func (p *phone) Close() error {
	var err error
	for i := len(p.close) - 1; i >= 0; i-- {
		err = errors.Join(err, p.close[i]())
	}
	return err
}

func (p *phone) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *phone) current() *call.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *phone) take(c *call.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.State() != call.StateDisconnected { // else its last event has been, or will find nothing
		p.now = c
	}
}

// call calls a user.
func (p *phone) call(user string) {
	h, v := p.handler()
	c, err := p.kit.MakeCall(call.MakeCallParam{
		MyUserID: p.user, MyServiceID: p.service, PeerUserID: user, PeerServiceID: p.service, AccessToken: p.token,
	}, h)
	if err != nil {
		p.say("%v", err)
		return
	}
	c.SetVoice(v)
	p.take(c)
}

// pushed asks the caller of a push whether the call still stands; if so,
// OnVerified comes, and it rings.
func (p *phone) pushed(ccParam string) {
	cc, err := call.ParseCCParam(ccParam)
	if err != nil {
		p.say("%v", err)
		return
	}
	h, v := p.handler()
	c, err := p.kit.VerifyCall(call.VerifyCallParam{MyUserID: p.user, MyServiceID: p.service, CCParam: cc}, h)
	if err != nil {
		p.say("%v", err)
		return
	}
	c.SetVoice(v)
	p.take(c)
}

// handler tells what happens to one call, and lets it speak while connected.
func (p *phone) handler() (call.Handler, *voice) {
	v := newVoice()
	return call.Handler{
		OnWaitConnected: func(*call.Call) { p.say("calling") },
		OnUnreachable:   func(*call.Call) { p.say("nobody has answered the push yet") },
		OnAcknowledged:  func(_ *call.Call, d call.Address) { p.say("it rings: %s/%s", d.User, d.Device) },
		OnVerified: func(c *call.Call, _ bool) {
			p.say("%s rings", c.Peer().User)
			c.Ringing()
			if p.answer {
				c.Accept(acceptAsItIs)
			}
		},
		OnConnected: func(c *call.Call, _, _ bool) {
			p.say("connected with %s/%s", c.Peer().User, c.Peer().Device)
			v.speak(c)
		},
		OnPeerHold:           func(*call.Call, string) { p.say("held") },
		OnPeerUnhold:         func(*call.Call) { p.say("no longer held") },
		OnOpenRequest:        func(c *call.Call) { c.AnswerOpen(false, "a softphone has no door") },
		OnOpenResult:         func(_ *call.Call, ok bool, why string) { p.say("opened: %v %s", ok, why) },
		OnNetworkUnavailable: func(*call.Call, bool, time.Duration) { p.say("the path is lost") },
		OnNetworkReavailable: func(*call.Call) { p.say("the path is back") },
		OnDisconnected: func(c *call.Call, d call.Disconnected) {
			v.stop()
			st := c.Statistics()
			p.say("over: %s by the %s; sent %d frames of voice, heard %d", d.Reason, d.Source, st.Sent.Packets, v.heard.Load())
			p.mu.Lock()
			if p.now == c {
				p.now = nil
			}
			p.mu.Unlock()
		},
	}, v
}
