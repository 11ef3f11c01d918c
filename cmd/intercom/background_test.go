package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"intercom/call"
	"intercom/identity"
	"intercom/mqttpush"
	"intercom/rtc"
)

// TestBackgroundCall is a background call on the real stack: a door station
// rings; one process of a panel verifies it in the background and rings, another
// one adopts and accepts it, and voice flows. In between the first may be killed.
func TestBackgroundCall(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed in between: %v", killed), func(t *testing.T) {
			h := open(t)
			dir := filepath.Join(t.TempDir(), "panel")
			if err := h.guest(dir); err != nil {
				t.Fatal(err)
			}
			daemon := startPhone(t, os.Args[0], panelProgram, "daemon", dir)
			daemon.want(t, `^ready$`)
			tap(t, h.door, "bell-1")
			daemon.want(t, `^rings true$`)
			for { // its disk may be slow
				if kept, err := filepath.Glob(filepath.Join(dir, "journal", "*.call")); err != nil || len(kept) == 1 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if killed {
				if err := daemon.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = daemon.Wait() // killed
			}
			app := startPhone(t, os.Args[0], panelProgram, "app", dir)
			app.want(t, `^ready$`)
			app.tell(t, "adopt")
			app.want(t, `^adopted$`)
			if !killed {
				daemon.want(t, `^handed over$`)
			}
			app.want(t, `^connected with front-door/door$`)
			app.want(t, `^hears the door$`)
			for _, stage := range []string{"connected", "first_voice"} { // and the door hears it
				if _, err := h.stage(t.Context(), h.door, stage); err != nil {
					t.Fatal(err)
				}
			}
			app.tell(t, "quit")
			app.want(t, `^over: appDestroy by the callee$`)
			if err := app.Wait(); err != nil {
				t.Error(err)
			}
			if !killed {
				daemon.tell(t, "quit")
				if daemon.out.Scan() {
					t.Errorf("the first process says %q at its end", daemon.out.Text())
				}
				if err := daemon.Wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// panelProgram is the name by which the test binary is a process of a panel.
const panelProgram = "test-panel"

// panelMain is one such process: a daemon, which verifies in the background and
// rings, or an app, which adopts what is pending when it is told to. It works
// until it is told to quit.
func panelMain(role, dir string) int {
	if err := runPanel(role, dir); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func runPanel(role, dir string) (err error) {
	p := &panel{dir: dir}
	defer func() { err = errors.Join(err, p.shut()) }()
	if err := p.open(role == "daemon"); err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() && in.Text() == "adopt" {
		if err := p.adopt(); err != nil {
			return err
		}
	}
	return in.Err()
}

type panel struct {
	dir   string
	self  call.Address
	kit   *call.Kit
	close []func() error // what was opened, in that order
}

func (p *panel) shut() (err error) {
	for i := len(p.close) - 1; i >= 0; i-- {
		err = errors.Join(err, p.close[i]())
	}
	return err
}

func (p *panel) open(rings bool) error {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(b))
	}
	key, err := identity.LoadKey(filepath.Join(p.dir, "device.key"))
	if err != nil {
		return err
	}
	authorities, err := identity.LoadAuthorities(filepath.Join(p.dir, "authority.pub"))
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	floor := identity.OpenFloor(filepath.Join(p.dir, "clock-floor"), time.Time{}, log)
	p.close = append(p.close, floor.Close)
	verifier, err := identity.NewVerifier(authorities, []string{"demo"}, floor)
	if err != nil {
		return err
	}
	self := identity.Address{Service: "demo", User: "home", Device: "softphone", Session: identity.NewID()}
	p.self = call.Address(self)
	seal, err := identity.NewSealer(key, read("device.token"), self)
	if err != nil {
		return err
	}
	media, err := rtc.New(rtc.Config{IncludeLoopback: true, Log: log})
	if err != nil {
		return err
	}
	p.close = append(p.close, media.Close)
	var connected sync.Once
	online := make(chan struct{})
	link, err := mqttpush.New(mqttpush.Config{
		URL: read("broker.url"), Now: floor.Now, Self: p.self, Sealer: seal, Log: log,
		OnState: func(up bool) {
			if up {
				connected.Do(func() { close(online) })
			}
		},
	})
	if err != nil {
		return err
	}
	p.close = append(p.close, link.Close)
	cfg := call.Config{
		Self: p.self, Transport: link, Media: media, Log: log, Journal: filepath.Join(p.dir, "journal"),
		Sealer: mqttpush.NewSealer(seal, verifier, key, p.self),
	}
	made := make(chan struct{})
	if rings {
		cfg.OnPush = func(ccParam string) { <-made; p.pushed(ccParam) }
	}
	if p.kit, err = call.NewKit(cfg); err != nil {
		return err
	}
	close(made)
	p.close = append(p.close, p.kit.Close)
	<-online
	fmt.Println("ready")
	return p.kit.JournalErr()
}

// pushed verifies in the background, and rings.
func (p *panel) pushed(ccParam string) {
	cc, err := call.ParseCCParam(ccParam)
	if err == nil {
		_, err = p.kit.VerifyBackgroundCall(call.VerifyCallParam{MyUserID: p.self.User, MyServiceID: p.self.Service, CCParam: cc}, call.BackgroundHandler{
			OnVerified:     func(b *call.BackgroundCall, _ bool) { fmt.Println("rings", b.Ringing()) },
			OnError:        func(_ *call.BackgroundCall, err error) { fmt.Println(err) },
			OnAdopted:      func(*call.BackgroundCall) { fmt.Println("handed over") },
			OnDisconnected: func(_ *call.BackgroundCall, d call.Disconnected) { fmt.Println("over in the background:", d.Reason) },
		})
	}
	if err != nil {
		fmt.Println(err)
	}
}

// adopt takes the one call that is pending, and accepts it.
func (p *panel) adopt() error {
	ids, err := p.kit.PendingBackgroundCalls()
	if err != nil || len(ids) != 1 {
		return fmt.Errorf("pending: %v, %w", ids, err)
	}
	v := &panelVoice{quit: make(chan struct{})}
	tone, err := os.ReadFile("../../examples/softphone/tone.opus")
	if err != nil {
		return err
	}
	c, err := p.kit.AdoptBackgroundCall(ids[0], call.Handler{
		OnConnected: func(c *call.Call, _, _ bool) {
			fmt.Printf("connected with %s/%s\n", c.Peer().User, c.Peer().Device)
			v.talking.Go(func() { v.speak(c, tone) })
		},
		OnDisconnected: func(_ *call.Call, d call.Disconnected) {
			close(v.quit)
			v.talking.Wait()
			fmt.Printf("over: %s by the %s\n", d.Reason, d.Source)
		},
	})
	if err != nil {
		return err
	}
	c.SetVoice(v)
	fmt.Println("adopted") // before anything can come of it
	if !c.Accept(call.AcceptOptions{}) {
		return errors.New("not to be accepted")
	}
	return nil
}

// panelVoice says a tone and listens.
type panelVoice struct {
	quit    chan struct{}
	talking sync.WaitGroup
	heard   int // frames; of one goroutine
}

// speak says the tone: a second of packets, each after its length in two bytes.
func (v *panelVoice) speak(c *call.Call, tone []byte) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for rest := tone; ; {
		n := int(binary.BigEndian.Uint16(rest))
		c.WriteFrame(rest[2:2+n], 960)
		if rest = rest[2+n:]; len(rest) < 2 {
			rest = tone
		}
		select {
		case <-tick.C:
		case <-v.quit:
			return
		}
	}
}

func (v *panelVoice) ReceiveFrame(uint16, uint32, []byte) {
	if v.heard++; v.heard == 10 {
		fmt.Println("hears the door")
	}
}

func (v *panelVoice) PlayoutStats() call.PlayoutStats { return call.PlayoutStats{} }
