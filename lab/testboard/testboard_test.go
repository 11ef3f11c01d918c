package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/lab/exchange"
)

// TestArchive compares with what the kernel's format says, field by field.
func TestArchive(t *testing.T) {
	var got bytes.Buffer
	a := newArchive(&got)
	a.add("bin/x", 0o755, []byte("hello"))
	a.device("dev/console", 5, 1)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	entry := func(ino, mode, size, major, minor, name, data string) string {
		all := "070701" + ino + mode + "00000000" + "00000000" + "00000001" + "00000000" + size + "00000000" + "00000000" + major + minor
		all += map[string]string{"bin": "00000004", "bin/x": "00000006", "dev": "00000004", "dev/console": "0000000c", "TRAILER!!!": "0000000b"}[name] + "00000000" + name + "\x00"
		pad := func(s string) string { return s + strings.Repeat("\x00", -len(s)&3) }
		return pad(all) + pad(data)
	}
	want := entry("00000001", "000041ed", "00000000", "00000000", "00000000", "bin", "") +
		entry("00000002", "000081ed", "00000005", "00000000", "00000000", "bin/x", "hello") +
		entry("00000003", "000041ed", "00000000", "00000000", "00000000", "dev", "") +
		entry("00000004", "00002180", "00000000", "00000005", "00000001", "dev/console", "") +
		entry("00000005", "00000000", "00000000", "00000000", "00000000", "TRAILER!!!", "")
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}

// TestJudgeGoTests: what is not a pass fails, and so does a binary that ran nothing or ended badly.
func TestJudgeGoTests(t *testing.T) {
	const good = "=== RUN   TestA\n--- PASS: TestA (0.10s)\n    --- PASS: TestA/x (0.05s)\nPASS\n"
	tests := []struct {
		name, output   string
		exit           int
		passed, failed int
	}{
		{"good", good, 0, 1, 0},
		{"skipped", "--- SKIP: TestA (0.00s)\nPASS\n", 0, 0, 2},
		{"failed", "--- FAIL: TestA (0.10s)\n    --- FAIL: TestA/x (0.05s)\n    --- PASS: TestA/y (0.05s)\nFAIL\n", 1, 1, 3},
		{"a data race after all tests", good, 66, 1, 1},
		{"nothing ran", "PASS\n", 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &runner{name: tt.name}
			r.judgeGoTests(tt.output, tt.exit)
			if r.passed != tt.passed || r.failed != tt.failed {
				t.Errorf("%d passed, %d failed, want %d, %d", r.passed, r.failed, tt.passed, tt.failed)
			}
		})
	}
}

// TestSpread: of several draws each figure is told by its least, middle and most, and one over its limit fails.
func TestSpread(t *testing.T) {
	r := &runner{name: "case", draws: 3}
	for _, late := range []time.Duration{51, 70, 48} {
		r.measure("mouth to ear", exchange.Milliseconds(late*time.Millisecond, 62*time.Millisecond), true, "%v", late)
		r.measure("xruns", exchange.Figure{}, true, "none")
		r.check("lamp", true, "")
	}
	if r.passed != 8 || r.failed != 1 {
		t.Errorf("%d passed, %d failed, want 8, 1", r.passed, r.failed)
	}
	var got []string
	for _, s := range r.spreads {
		got = append(got, s.String())
	}
	if diff := cmp.Diff([]string{"mouth to ear: 48, 51, 70, at most 62 ms", "xruns: 0, 0, 0, at most 0"}, got); diff != "" {
		t.Errorf("spreads (-want +got):\n%s", diff)
	}
}

// TestVariant: a variant is another initial file system, by length, and none is as it was.
func TestVariant(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"busybox", "guest"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	for variant := range 3 {
		b := boot{variant: variant}
		path := filepath.Join(dir, "initrd")
		if err := b.writeInitrd(path, dir, filepath.Join(dir, "guest")); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(data, []byte("variant")); got != (variant > 0) {
			t.Errorf("variant %d: a file of its own: %v", variant, got)
		}
		sizes = append(sizes, len(data))
	}
	if sizes[0] >= sizes[1] || sizes[1] >= sizes[2] {
		t.Errorf("sizes %v, want each longer", sizes)
	}
}

func TestLines(t *testing.T) {
	const s = time.Second
	changes := []exchange.Change{{At: s, Active: true}, {At: 2 * s}, {At: 4 * s, Active: true}}
	if diff := cmp.Diff([]flash{{s, s}, {4 * s, s}}, flashes(changes, 0, 5*s), cmp.AllowUnexported(flash{})); diff != "" {
		t.Errorf("flashes (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		on       bool
		from, to time.Duration
		want     bool
	}{
		{false, 0, s, true}, {false, 0, s + 1, false}, {true, s, 2 * s, true}, {true, s, 2*s + 1, false},
		{false, 2 * s, 4 * s, true}, {true, 2 * s, 3 * s, false}, {true, 5 * s, 9 * s, true},
	} {
		if got := steady(changes, tt.on, tt.from, tt.to); got != tt.want {
			t.Errorf("steady %v from %v to %v: %v, want %v", tt.on, tt.from, tt.to, got, tt.want)
		}
	}
}

func TestRecording(t *testing.T) {
	r := recording{began: time.Second, pcm: make([]int16, 48000)}
	r.pcm[24000] = 7
	if got := r.from(1500*time.Millisecond, time.Second); len(got) != 24000 || got[0] != 7 {
		t.Errorf("%d samples, the first %v", len(got), got[:1])
	}
	if got := r.from(3*time.Second, time.Second); got != nil {
		t.Errorf("%d samples after the end", len(got))
	}
}

func TestChoose(t *testing.T) {
	if _, err := choose("none", false); err == nil || !strings.Contains(err.Error(), "boot") {
		t.Errorf("an unknown case: %v", err)
	}
	all, err := choose("", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.byName {
			t.Errorf("%s runs unasked", c.name)
		}
	}
	if one, err := choose("shell", false); err != nil || len(one) != 1 {
		t.Errorf("shell: %v, %v", one, err)
	}
}
