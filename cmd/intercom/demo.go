package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"intercom/board/sim"
	"intercom/config"
	"intercom/station"
)

type demoCmd struct {
	Once   bool   `arg:"--once" help:"make one whole call without a person: press, ring, accept, voice both ways, open, end; print what it took"`
	Count  int    `arg:"--count" placeholder:"N" default:"1" help:"with --once: so many calls, with median and worst"`
	JSON   bool   `arg:"--json" help:"with --once: one line of JSON"`
	Guest  string `arg:"--guest" placeholder:"DIR" help:"let one more phone in, such as examples/softphone: a new folder for its key and token"`
	Broker string `arg:"--broker" placeholder:"URL" help:"use this MQTT broker instead of an own one"`
}

// check refuses flags that do not go together.
func (r demoCmd) check() error {
	if !r.Once && (r.JSON || r.Count != 1) {
		return usageError{errors.New("--json and --count go with --once")}
	}
	if r.Once && r.Guest != "" {
		return usageError{errors.New("--guest is of no use with --once")}
	}
	if r.Count < 1 || r.Count > 10000 {
		return usageError{fmt.Errorf("--count is %d, 1 to 10000 allowed", r.Count)}
	}
	if r.Broker != "" {
		if err := config.CheckBrokerURL(r.Broker); err != nil {
			return usageError{fmt.Errorf("--broker: %w", err)}
		}
	}
	return nil
}

// Run is the demo.
func (r demoCmd) Run(ctx context.Context, c console) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Once {
		return once(ctx, c, r.Broker, r.Count, r.JSON)
	}
	h, err := openHouse(ctx, r.Broker, c.issueTime())
	if h != nil {
		defer h.Close()
	}
	switch {
	case ctx.Err() != nil: // somebody stopped it; what it waited for is no fault
		return nil
	case err != nil:
		return err
	}
	if r.Guest != "" {
		if err := h.guest(r.Guest); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "one more phone of the home: go run . --dir %s, in examples/softphone\n", h.guests)
	}
	o, ok := c.out.(*output)
	if !ok || !isTerminal(o.Writer) || !term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintln(c.out, "simulated boards; not a terminal: one line for each change, commands by line:", strings.TrimSpace(keyHelp))
		return h.lines(ctx, c.out, os.Stdin)
	}
	return h.screen(ctx, c.out)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

const keyHelp = "b bell · a accept · e end · m mute · o open · + - volume · r ringer mute · d indoor calls the door · q quit"

// keys map a key to a button of one board.
var keys = map[byte]struct{ station, button string }{
	'b': {"door", "bell-1"}, 'a': {"indoor", "accept"}, 'e': {"indoor", "end"}, 'm': {"indoor", "mute"},
	'o': {"indoor", "open"}, '+': {"indoor", "volume-up"}, '-': {"indoor", "volume-down"},
	'r': {"indoor", "ringer-mute"}, 'd': {"indoor", "call-door"},
}

// press taps the button of a key; quit is true for q and Ctrl-C.
func (h *house) press(key byte) (quit bool, err error) {
	if key == 'q' || key == 3 {
		return true, nil
	}
	k, ok := keys[key]
	if !ok {
		return false, nil
	}
	m := h.indoor
	if k.station == "door" {
		m = h.door
	}
	_, err = m.sim.Tap(k.button, 100*time.Millisecond)
	return false, err
}

// lines prints each change of a lamp or the relay, until the input ends.
func (h *house) lines(ctx context.Context, w io.Writer, in io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan string, 64)
	for _, m := range []*member{h.door, h.indoor} {
		watch, err := m.sim.Watch()
		if err != nil {
			return err
		}
		defer watch.Close()
		go func() {
			for e := range watch.Events {
				if e.Event == "output" {
					select {
					case events <- fmt.Sprintf("%-6s %-8s %s", m.name, e.Name, onOff(e.Active)):
					case <-ctx.Done():
						return
					}
				}
			}
		}()
	}
	typed := make(chan byte)
	go func() {
		defer close(typed)
		for r := bufio.NewReader(in); ; {
			b, err := r.ReadByte()
			if err != nil {
				return
			}
			select {
			case typed <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			fmt.Fprintln(w, e)
		case b, ok := <-typed:
			if !ok {
				return nil
			}
			if _, known := keys[b]; !known && b != 'q' && b > ' ' {
				fmt.Fprintf(w, "%q presses nothing: %s\n", b, strings.TrimSpace(keyHelp))
			}
			if quit, err := h.press(b); quit || err != nil {
				return err
			}
		}
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

const redraw = 100 * time.Millisecond

// screen shows both boards live and takes keys.
func (h *house) screen(ctx context.Context, w io.Writer) error {
	old, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return fmt.Errorf("demo: terminal: %w", err)
	}
	defer term.Restore(int(os.Stdin.Fd()), old)
	fmt.Fprint(w, "\x1b[?1049h\x1b[?25l")
	defer fmt.Fprint(w, "\x1b[?25h\x1b[?1049l")
	typed := make(chan byte)
	go func() { // ends with the process: a read of a terminal can't be called off
		var b [1]byte
		for {
			if n, err := os.Stdin.Read(b[:]); err != nil || n == 0 {
				return
			}
			typed <- b[0]
		}
	}()
	views := [2]view{{m: h.door, title: "door station"}, {m: h.indoor, title: "indoor station"}}
	for i := range views {
		watch, err := views[i].m.sim.Watch()
		if err != nil {
			return err
		}
		defer watch.Close()
		views[i].watch = watch
	}
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-typed:
			if quit, err := h.press(b); quit || err != nil {
				return err
			}
		case <-tick.C:
			var s strings.Builder
			s.WriteString("\x1b[H intercom demo: two simulated boards, everything else is real\x1b[K\r\n\x1b[K\r\n")
			for i := range views {
				views[i].draw(&s)
			}
			if h.guests != "" {
				s.WriteString(" one more phone: in examples/softphone, go run . --dir " + h.guests + "\x1b[K\r\n")
			}
			s.WriteString(" " + keyHelp + "\x1b[K\x1b[J")
			io.WriteString(w, s.String())
		}
	}
}

// view is one board on the screen.
type view struct {
	m     *member
	title string
	watch *sim.Watch
	level sim.Event
}

func (v *view) draw(s *strings.Builder) {
	for more := true; more; {
		select {
		case e, ok := <-v.watch.Events:
			if more = ok; ok && e.Event == "level" {
				v.level = e
			}
		default:
			more = false
		}
	}
	line := func(format string, args ...any) { fmt.Fprintf(s, format+"\x1b[K\r\n", args...) }
	line(" \x1b[1m%s\x1b[0m", v.title)
	lines, err := v.m.sim.Lines()
	if err != nil {
		line("   gone: %v", err)
		return
	}
	var outs []string
	for _, l := range lines {
		if l.Output {
			mark := "○"
			if l.Active {
				mark = "\x1b[33m●\x1b[0m"
			}
			outs = append(outs, mark+" "+l.Name)
		}
	}
	line("   %s", strings.Join(outs, "   "))
	line("   microphone %s   speaker %s", bar(v.level.Mic), bar(v.level.Speaker))
	st, err := station.ReadStatus(v.m.status)
	switch {
	case err != nil:
		line("   %v", err)
		line("")
	case st.Call == nil:
		last := ""
		if n := len(st.Last); n > 0 {
			d := st.Last[n-1].Disconnected
			last = fmt.Sprintf("; last call: %s by %s, talked %.1f s", d.Reason, d.Source, st.Last[n-1].Talk.Seconds())
		}
		line("   idle%s", last)
		line("")
	default:
		line("   %s as %s with %s", st.Call.State, st.Call.Role, st.Call.Peer.User)
		var stages []string
		for i, g := range st.Call.Stages {
			stages = append(stages, fmt.Sprintf("%s %.0f", g.Name, float64(g.At-st.Call.Stages[0].At)/1e6))
			if i > 12 {
				break
			}
		}
		line("   ms: %s", strings.Join(stages, " · "))
	}
	line("")
}

// bar shows -60 to 0 dBFS in 20 steps.
func bar(dbfs float64) string {
	n := 0
	if dbfs < 0 {
		n = min(max(int((dbfs+60)/3), 0), 20)
	}
	return strings.Repeat("▮", n) + strings.Repeat("▯", 20-n)
}
