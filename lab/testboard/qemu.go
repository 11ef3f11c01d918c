package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"intercom/lab/exchange"
)

// boot is one boot of the virtual board.
type boot struct {
	spec     exchange.Spec
	programs map[string]string // path in the board: file here
	data     map[string][]byte // path in the board: content
	machine  []string          // more arguments of QEMU
	raspi    bool              // QEMU's Raspberry Pi 3B instead of its generic board
	console  bool              // a person at the console; time then passes as it really does
	reboots  bool              // a reset is no end
	variant  int               // over 0: the same, with something in the initial file system that makes it another draw
	limit    time.Duration     // of real time
}

// answer is what a board left behind.
type answer struct {
	report exchange.Report
	files  map[string][]byte
	took   time.Duration // real time, with boot
}

// virtualTime makes an instruction last 1 ns and skips idle time: sound and edges are then exact on a host as
// slow and as busy as it may be. The rest of the settings leave nothing to chance, so that a run can be repeated.
var virtualTime = []string{"-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"}

var errNoReport = errors.New("the board did not come to its end")

// run boots the board in a folder of its own and waits for its end.
func (b *boot) run(ctx context.Context, dir, kernel, guest string) (answer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return answer{}, err
	}
	initrd := filepath.Join(dir, "initrd")
	if err := b.writeInitrd(initrd, kernel, guest); err != nil {
		return answer{}, err
	}
	defer os.Remove(initrd)
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64", b.arguments(kernel)...)
	cmd.Dir = dir
	if b.console {
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	}
	cmd.Stderr = os.Stderr
	start := time.Now()
	err := startOnOneCPU(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	took := time.Since(start)
	if ctx.Err() != nil {
		return answer{}, fmt.Errorf("%w in %v of real time%s", errNoReport, b.limit, tail(dir))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return answer{}, err
	}
	if code := cmd.ProcessState.ExitCode(); code != exchange.ExitDone {
		return answer{}, fmt.Errorf("%w: QEMU ended with %d, want %d%s", errNoReport, code, exchange.ExitDone, tail(dir))
	}
	a, err := readAnswer(filepath.Join(dir, exchange.TarFile))
	a.took = took
	return a, err
}

// startOnOneCPU starts QEMU on one processor of the host, all its threads. In virtual time its main loop skips idle time
// when it sees that the emulated processor sleeps; the thread of that one notes that it sleeps a moment before it notes
// how long it has run. A main loop that wakes within that moment, on another processor, adds the two up wrongly, and
// everything is later from then on. On one processor it wakes when the other thread waits, or at the request itself.
func startOnOneCPU(cmd *exec.Cmd) error {
	runtime.LockOSThread() // a child inherits its thread's processors
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	var cpu uint32 // where this thread runs: the scheduler has found it a good one
	if _, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); e != 0 {
		return e
	}
	one.Set(int(cpu))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	return errors.Join(cmd.Start(), unix.SchedSetaffinity(0, &all))
}

func (b *boot) arguments(kernel string) []string {
	args := []string{"-nodefaults", "-display", "none", "-kernel", filepath.Join(kernel, "Image"), "-initrd", "initrd",
		"-accel", "tcg,thread=single", "-semihosting-config", "enable=on,target=native,userspace=on"}
	if !b.reboots {
		args = append(args, "-no-reboot")
	}
	if b.raspi {
		args = append(args, "-M", "raspi3b", "-dtb", filepath.Join(kernel, "bcm2837-rpi-3-b.dtb"))
	} else {
		args = append(args, "-M", "virt,dtb-randomness=off", "-cpu", "cortex-a72", "-smp", "1", "-m", "1G")
	}
	if b.console {
		args = append(args, "-serial", "mon:stdio")
	} else {
		args = append(append(args, virtualTime...), "-serial", "file:console.log")
	}
	return append(append(args, b.machine...), "-append", "console=ttyAMA0 panic=-1 quiet")
}

func (b *boot) writeInitrd(path, kernel, guest string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	a := newArchive(f)
	copyIn := func(to, from string, mode fs.FileMode) {
		data, err := os.ReadFile(from)
		if err != nil && a.err == nil {
			a.err = err
		}
		a.add(to, mode, data)
	}
	a.device("dev/console", 5, 1)
	copyIn("init", guest, 0o755)
	copyIn("bin/busybox", filepath.Join(kernel, "busybox"), 0o755)
	modules, err := os.ReadDir(filepath.Join(kernel, "modules"))
	if err != nil {
		return err
	}
	for _, m := range modules {
		copyIn("modules/"+m.Name(), filepath.Join(kernel, "modules", m.Name()), 0o644)
	}
	for _, to := range sortedKeys(b.programs) {
		copyIn(to, b.programs[to], 0o755)
	}
	for _, to := range sortedKeys(b.data) {
		a.add(to, 0o644, b.data[to])
	}
	if b.variant > 0 {
		a.add("variant", 0o644, make([]byte, 1024*b.variant)) // its length counts, and not what is in it
	}
	spec, err := json.Marshal(b.spec)
	if err != nil {
		return err
	}
	a.add(exchange.SpecFile, 0o644, spec)
	if err := a.close(); err != nil {
		return fmt.Errorf("initial file system: %w", err)
	}
	return f.Close()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func readAnswer(path string) (answer, error) {
	a := answer{files: map[string][]byte{}}
	f, err := os.Open(path)
	if err != nil {
		return a, fmt.Errorf("%w: %w", errNoReport, err)
	}
	defer f.Close()
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return a, fmt.Errorf("%w: %s: %w", errNoReport, path, err)
		}
		if a.files[h.Name], err = io.ReadAll(t); err != nil {
			return a, fmt.Errorf("%w: %s: %w", errNoReport, path, err)
		}
	}
	data, ok := a.files[exchange.ReportFile]
	if !ok {
		return a, fmt.Errorf("%w: no %s", errNoReport, exchange.ReportFile)
	}
	if err := json.Unmarshal(data, &a.report); err != nil {
		return a, fmt.Errorf("%s: %w", exchange.ReportFile, err)
	}
	return a, nil
}

// tail returns the end of what the board said on its console.
func tail(dir string) string {
	const most = 4000
	data, err := os.ReadFile(filepath.Join(dir, "console.log"))
	if err != nil || len(data) == 0 {
		return ""
	}
	return "\n--- console ---\n" + string(data[max(0, len(data)-most):])
}
