package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestSoftphone builds examples/softphone and lets it into a house: it answers
// the bell, with voice both ways, opens the door, and calls the door.
func TestSoftphone(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "softphone")
	build := exec.Command("go", "build", "-o", exe, ".")
	build.Dir = "../../examples/softphone"
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h := open(t)
	dir := filepath.Join(t.TempDir(), "guest")
	if err := h.guest(dir); err != nil {
		t.Fatal(err)
	}
	p := startPhone(t, exe, "--dir", dir)
	p.want(t, `^commands`)
	p.want(t, `^broker: connected$`)

	tap(t, h.door, "bell-1")
	p.want(t, `^front-door rings$`)
	p.tell(t, "a")
	p.want(t, `^connected with front-door/door$`)
	for _, stage := range []string{"connected", "first_voice"} { // the tone is heard at the door
		if _, err := h.stage(t.Context(), h.door, stage); err != nil {
			t.Fatal(err)
		}
	}
	p.tell(t, "o")
	p.want(t, `^opened: true`)
	p.tell(t, "e")
	p.want(t, `^over: normal by the callee; sent [1-9][0-9]* frames of voice, heard [1-9]`)

	p.tell(t, "c front-door")
	p.want(t, `^calling$`)
	p.want(t, `^it rings: front-door/door$`)
	p.want(t, `^connected with front-door/door$`)
	p.tell(t, "q")
	p.want(t, `^over: appDestroy by the caller; `)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	h.Close()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the guest's key outlives the house: %v", err)
	}
}

// phone is a softphone that runs.
type phone struct {
	*exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

func startPhone(t *testing.T, exe string, args ...string) *phone {
	t.Helper()
	p := &phone{Cmd: exec.Command(exe, args...)}
	p.Stderr = os.Stderr
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() }) // an error: it is over already
	p.in, p.out = in, bufio.NewScanner(out)
	return p
}

func (p *phone) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// want reads the next line.
func (p *phone) want(t *testing.T, pattern string) {
	t.Helper()
	if !p.out.Scan() {
		t.Fatalf("the softphone ended; wanted %s", pattern)
	}
	if !regexp.MustCompile(pattern).MatchString(p.out.Text()) {
		t.Fatalf("the softphone says %q, want %s", p.out.Text(), pattern)
	}
}
