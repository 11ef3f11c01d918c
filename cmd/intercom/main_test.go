package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"intercom/internal/testhouse"
)

// asProgram and builtAt are for the children of a test: to be the program, and
// one that was built at a time in RFC 3339.
const (
	asProgram = "INTERCOM_TEST_AS_PROGRAM"
	builtAt   = "INTERCOM_TEST_BUILT_AT"
)

// TestMain lets the test binary be the program too, for the demo's processes.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == panelProgram {
		os.Exit(panelMain(os.Args[2], os.Args[3]))
	}
	built, err := time.Parse(time.RFC3339, os.Getenv(builtAt))
	switch {
	case os.Getenv(asProgram) != "1":
		os.Setenv(asProgram, "1")
		os.Exit(m.Run())
	case err != nil:
		main()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(console{os.Stdout, os.Stderr, time.Now, build{Time: built}}.logic(ctx, os.Args[1:]))
}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return runAt(t, time.Now, buildInfo(), args...)
}

// runAt is run with a clock and a build.
func runAt(t *testing.T, now func() time.Time, b build, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = console{&out, &errs, now, b}.logic(t.Context(), args)
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(bad, []byte("[station]\nkind = \"dor\"\ncolour = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	line := filepath.Join(dir, "line.toml") // a button that the board has not
	text := "[station]\nkind = \"indoor\"\nname = \"a\"\nservice = \"s\"\nuser = \"u\"\n# a panel\n[[button]]\nname = \"bell-9\"\naction = \"accept\"\n[broker]\nurl = \"mqtt://127.0.0.1\"\n"
	if err := os.WriteFile(line, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args      string
		code      int
		out, errs string
	}{
		{"", exitOK, "Exit codes", ""},
		{"--help", exitOK, "A door intercom", ""},
		{"version", exitOK, "intercom ", ""},
		{"--help", exitOK, "a house of simulated boards", ""},
		{"demo --help", exitOK, "--once", ""},
		{"token issue --help", exitOK, "--lifetime TIME", ""},
		{"dance", exitUsage, "", `there is no command "dance"; see intercom --help`},
		{"dance --help", exitUsage, "", "dance"},
		{"token dance --help", exitUsage, "", `there is no command "dance"; see intercom token --help`},
		{"token", exitUsage, "", "a command is missing; see intercom token --help"},
		{"run --confg x", exitUsage, "", "--confg; see intercom run --help"},
		{"token issue --lifetime soon", exitUsage, "", `intercom: --lifetime: invalid duration "soon"`},
		{"demo --once --count abc", exitUsage, "", `intercom: --count: "abc": invalid syntax`},
		{"broker --listen 1883", exitUsage, "", `--listen is "1883"; want HOST:PORT`},
		{"broker --listen :99999", exitUsage, "", "want HOST:PORT"},
		{"status", exitUsage, "", "--config and --socket"},
		{"status --config a --socket b", exitUsage, "", "--config and --socket"},
		{"run", exitUsage, "", "CONFIG is required; see intercom run --help\nUsage: intercom run --config CONFIG"},
		{"demo --json", exitUsage, "", "--once"},
		{"demo --once --count 0", exitUsage, "", "1 to 10000"},
		{"demo --broker http://x", exitUsage, "", "--broker: \"http://x\" does not start with mqtt://"},
		{"config check " + bad, exitUsage, "", "bad.toml:2"},
		{"config check " + filepath.Join(dir, "none.toml"), exitUsage, "", "none.toml"},
		{"config check ../../config/sample.toml", exitOK, "is fine", ""},
		{"config check " + line, exitUsage, "", "line.toml:8"},
		{"run --config " + bad, exitUsage, "", "colour"},
		{"key show " + filepath.Join(dir, "none.key"), exitFailed, "", "none.key"},
		{"status --socket " + filepath.Join(dir, "none.sock"), exitFailed, "", "is the station running"},
		{"broker --listen 256.0.0.1:1", exitFailed, "", "256.0.0.1"},
		{"broker --authority a.pub", exitUsage, "", "--authority and --service go together"},
		{"broker --clock-floor f", exitUsage, "", "--clock-floor goes with --authority"},
		{"broker --service s --authority " + filepath.Join(dir, "none.pub"), exitFailed, "", "none.pub"},
		{"broker --listen 127.0.0.1:0 --tls-cert c.pem", exitUsage, "", "--tls-cert and --tls-key go together"},
	} {
		code, out, errs := run(t, strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(out, tc.out) || !strings.Contains(errs, tc.errs) {
			t.Errorf("intercom %s: code %d, want %d\nout: %s\nerr: %s", tc.args, code, tc.code, out, errs)
		}
	}
}

// A script's empty variable is no file, no broker that is open to all, and no demo without the guest.
func TestEmptyArguments(t *testing.T) {
	for args, want := range map[string]string{
		"broker --listen": "--listen is empty", "broker --authority": "--authority is empty", "run --config": "--config is empty",
		"demo --guest": "--guest is empty", "key make": "an argument is empty; see intercom key make --help",
	} {
		ctx, stop := context.WithCancel(t.Context())
		stop() // what runs all the same ends at once
		var errs bytes.Buffer
		code := console{io.Discard, &errs, time.Now, buildInfo()}.logic(ctx, append(strings.Fields(args), ""))
		if code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("intercom %s \"\": code %d, %s", args, code, errs.String())
		}
	}
}

// A second signal hurries the stop; one that is the first, told twice, does not.
func TestHurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals, stopped := make(chan os.Signal, 1), make(chan struct{})
		hurried := make(chan os.Signal, 1)
		go func() { hurried <- untilHurried(signals, func() { close(stopped) }) }()
		signals <- syscall.SIGHUP
		<-stopped
		signals <- syscall.SIGTERM
		time.Sleep(stopAlone - 1)
		signals <- syscall.SIGTERM
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		select {
		case sig := <-hurried:
			t.Errorf("hurried by %v within %v", sig, stopAlone)
		default:
		}
		signals <- syscall.SIGINT
		if sig := <-hurried; sig != syscall.SIGINT {
			t.Errorf("hurried by %v", sig)
		}
	})
}

// What can not be printed was not done: a script would else go on with a truncated file.
func TestOutputLost(t *testing.T) {
	for _, args := range []string{"--help", "version", "boards", "boards simulated", "config check ../../config/sample.toml"} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		var errs bytes.Buffer
		code := console{full, &errs, time.Now, buildInfo()}.logic(t.Context(), strings.Fields(args))
		if code != exitFailed || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("intercom %s: code %d, %s", args, code, errs.String())
		}
	}
}

// A FIFO that nobody writes is an error at once, and no wait that not even SIGTERM ends.
func TestFIFO(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]int{
		"key show": exitFailed, "token show": exitFailed, "config check": exitUsage, "run --config": exitUsage,
	} {
		if code, _, errs := run(t, append(strings.Fields(args), fifo)...); code != want || !strings.Contains(errs, fifo) {
			t.Errorf("intercom %s FIFO: code %d, %s", args, code, errs)
		}
	}
}

func TestKeysAndTokens(t *testing.T) {
	dir := t.TempDir()
	f := func(n string) string { return filepath.Join(dir, n) }
	must := func(args ...string) string {
		t.Helper()
		code, out, errs := run(t, args...)
		if code != exitOK {
			t.Fatalf("intercom %v: code %d: %s", args, code, errs)
		}
		return out
	}
	must("key", "make", f("authority.key"))
	must("key", "authority", f("authority.key"), f("authority.pub"))
	must("key", "make", f("device.key"))
	must("token", "issue", "--authority", f("authority.key"), "--key", f("device.key"), "--service", "house", "--user", "home", "--device", "kitchen", "--out", f("device.token"))
	if out := must("token", "show", f("device.token")); !strings.Contains(out, "kitchen") || !strings.Contains(out, "not verified") {
		t.Errorf("token show: %s", out)
	}
	if out := must("key", "show", f("device.key")); len(strings.TrimSpace(out)) != 43 {
		t.Errorf("thumbprint %q", out)
	}
	if code, _, errs := run(t, "key", "make", f("device.key")); code != exitFailed || !strings.Contains(errs, "exist") {
		t.Errorf("a key was overwritten: %d %s", code, errs)
	}
	if err := os.Chmod(f("device.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := run(t, "key", "show", f("device.key")); code != exitFailed || !strings.Contains(errs, "chmod 600") {
		t.Errorf("a key open to others: %d %s", code, errs)
	}
}

// TestWholeCall is the main job: three processes, one call, nobody at the keys.
func TestWholeCall(t *testing.T) {
	for _, tc := range []struct {
		name   string
		broker func(t *testing.T) string
	}{{"embedded broker", func(*testing.T) string { return "" }}, {"mosquitto", func(t *testing.T) string { return "mqtt://" + testhouse.StartMosquitto(t).Addr }}} {
		t.Run(tc.name, func(t *testing.T) {
			args := []string{"demo", "--once", "--json", "--count", "2"}
			if url := tc.broker(t); url != "" {
				args = append(args, "--broker", url)
			}
			code, out, errs := run(t, args...)
			var r manyResult
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("stdout is not one JSON value: %v\n%s\n%s", err, out, errs)
			}
			if code != exitOK || !r.OK || r.Succeeded != 2 {
				t.Fatalf("code %d: %s\n%s", code, out, errs)
			}
			w := r.Worst
			if w.PressToRinging <= 0 || w.PressToAcknowledged <= 0 || w.AcceptToFirstVoice <= 0 || w.MouthToEar <= 0 || w.DoorRSS <= w.DoorOwn || w.DoorOwn <= 0 {
				t.Errorf("a figure is missing: %+v", w)
			}
			if w.GoroutinesLeaked != 0 {
				t.Errorf("a call left %d goroutines: %s", w.GoroutinesLeaked, out)
			}
			t.Logf("press to ringing %.1f, accept to first voice %.1f, mouth to ear %.1f ms (median)", r.Median.PressToRinging, r.Median.AcceptToFirstVoice, r.Median.MouthToEar)
		})
	}
}
