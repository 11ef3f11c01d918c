package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercom/board"
	"intercom/config"
	"intercom/gpio"
	"intercom/gpio/gpiotest"
)

// fakeHardware has lines in memory.
type fakeHardware map[string]*gpiotest.Pin

func (h fakeHardware) pin(name string) (*gpiotest.Pin, error) {
	if p, ok := h[name]; ok {
		return p, nil
	}
	return nil, errors.New("no line " + name)
}

func (h fakeHardware) Input(name string) (gpio.Input, error)   { return h.pin(name) }
func (h fakeHardware) Output(name string) (gpio.Output, error) { return h.pin(name) }
func (h fakeHardware) Close() error                            { return nil }

func TestShowButtons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bell, end := gpiotest.NewPin(), gpiotest.NewPin()
		end.Press() // held since before
		var out bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- showButtons(ctx, &out, fakeHardware{"bell": bell, "end": end}, []string{"bell", "end"})
		}()
		synctest.Wait()
		bell.Bounce(time.Millisecond, time.Millisecond, 250*time.Millisecond)
		bell.Release()
		time.Sleep(time.Second)
		end.Unplug(errors.New("no such device"))
		synctest.Wait()
		stop()
		if err := <-done; err == nil || !strings.Contains(err.Error(), "no such device") {
			t.Errorf("error %v, want that of the lost line", err)
		}
		for _, want := range []string{
			"bell             at rest\n", "end              ACTIVE", "bell             press\n",
			"bell             release after 252ms\n", "end              lost: ",
			"bell                    1        0        1        252ms\n",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, &out)
			}
		}
	})
	if err := showButtons(t.Context(), new(bytes.Buffer), fakeHardware{}, []string{"bell"}); err == nil {
		t.Error("a line that is not there was shown")
	}
}

func TestInputNames(t *testing.T) {
	p, err := board.Load(board.Selection{Profile: "debian-usb"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Buttons: []config.Button{{Name: "bell-1"}}}
	for _, test := range []struct {
		all  bool
		want string
	}{{false, "bell-1"}, {true, "bell-1 accept end mute"}} {
		if got, err := inputNames(cfg, p, test.all); err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("all %v: %q, %v; want %s", test.all, got, err, test.want)
		}
	}
	cfg.Buttons[0].Name = "bel"
	if _, err := inputNames(cfg, p, false); err == nil {
		t.Error("an unknown button was taken")
	}
}

// TestBoardCommands runs what needs no board.
func TestBoardCommands(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	station := func(kind, boardLines string) string {
		return "[station]\nkind = \"" + kind + "\"\nname = \"a\"\nservice = \"s\"\nuser = \"u\"\n[broker]\nurl = \"mqtt://127.0.0.1\"\n" + boardLines
	}
	door := "[[button]]\nname = \"bell-1\"\naction = \"call\"\ncallee = \"b\"\n[door]\nrelay = \"strike\"\n"
	simulated := write("simulated.toml", station("door", door))
	none := write("none.toml", station("indoor", ""))
	write("ghost.toml", "title = \"A board that no machine is\"\n[[input]]\nname = \"bell-1\"\nchip = \"ghost\"\noffset = 0\n"+
		"[[output]]\nname = \"strike\"\nkind = \"relay\"\nchip = \"ghost\"\noffset = 1\nhard_limit = \"5s\"\n[sound]\ncard = \"Ghost\"\n")
	profiles := t.TempDir()
	if err := os.Rename(filepath.Join(dir, "ghost.toml"), filepath.Join(profiles, "ghost.toml")); err != nil {
		t.Fatal(err)
	}
	real := write("real.toml", station("door", "[board]\nprofile = \"ghost\"\nprofile_dir = \""+profiles+"\"\n"+door))
	unknown := write("unknown.toml", station("indoor", "[board]\nprofile = \"raspberry-pi-9\"\n"))
	for _, tc := range []struct {
		args      string
		code      int
		out, errs string
	}{
		{"boards", exitOK, "raspberry-pi-zero-2-w", ""},
		{"boards", exitOK, "i2s ", ""},
		{"boards raspberry-pi-5", exitOK, "| strike | pinctrl-rp1 | GPIO26 | 37 |", ""},
		{"boards raspberry-pi-5", exitOK, "### USB sound card", ""},
		{"boards i2s", exitOK, "dtoverlay=googlevoicehat-soundcard", ""},
		{"boards raspberry-pi-5 --toml", exitOK, "compatible = [\"raspberrypi,5-model-b\"", ""},
		{"boards i2s --toml", exitOK, "card = \"sndrpigooglevoi\"", ""},
		{"boards --toml", exitUsage, "", "needs the name"},
		{"boards rasberry-pi-5", exitUsage, "", "did you mean raspberry-pi-"},
		{"boards nothing --toml", exitUsage, "", "no such sound choice"},
		{"boards --dir " + filepath.Join(dir, "none"), exitFailed, "", "profile_dir"},
		{"relay-off --config " + simulated, exitOK, "", ""},
		{"relay-off --config " + none, exitOK, "", ""},
		{"relay-off --config " + real, exitFailed, "", "no such chip"},
		{"relay-off --config " + filepath.Join(dir, "absent.toml"), exitUsage, "", "absent.toml"},
		{"buttons --config " + simulated, exitUsage, "", "simulated board has no lines"},
		{"buttons --config " + real, exitFailed, "", "no such chip"},
		{"buttons --config " + unknown, exitUsage, "", "no such board profile"},
	} {
		code, out, errs := run(t, strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(out, tc.out) || !strings.Contains(errs, tc.errs) {
			t.Errorf("intercom %s: code %d, want %d\nout: %s\nerr: %s", tc.args, code, tc.code, out, errs)
		}
	}
}
