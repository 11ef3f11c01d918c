package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const moduleDir = "/modules"

// mountAll mounts what a program expects of Linux.
func mountAll() error {
	for _, m := range []struct{ kind, path string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"},
	} {
		if err := mount(m.kind, m.path); err != nil {
			return err
		}
	}
	return nil
}

func mount(kind, path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, path, kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s on %s: %w", kind, path, err)
	}
	return nil
}

// openNetwork gives the board a network of its own: one interface with an address, and nobody at the other end. What
// the stations send one another by that address stays in the kernel, as lo's traffic does.
func openNetwork() error {
	if err := insert("dummy", ""); err != nil {
		return err
	}
	if err := up("lo", nil); err != nil {
		return err
	}
	return up("dummy0", []byte{10, 9, 8, 1})
}

// up sets an interface up, with an address if there is one to set.
func up(name string, address []byte) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if address != nil {
		if err := req.SetInet4Addr(address); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(s, unix.SIOCSIFADDR, req); err != nil {
			return fmt.Errorf("interface %s: set its address: %w", name, err)
		}
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("interface %s: set up: %w", name, err)
	}
	return nil
}

// insert inserts a module after those that it needs; parameters are those of the module itself.
func insert(name, parameters string) error {
	deps, err := os.ReadFile(moduleDir + "/deps")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(deps)) {
		module, list, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if module != name {
			continue
		}
		for _, m := range strings.Fields(list) {
			p := ""
			if m == name {
				p = parameters
			}
			if err := insertOne(m, p); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no module %s in %s/deps", name, moduleDir)
}

func insertOne(name, parameters string) error {
	f, err := os.Open(moduleDir + "/" + name + ".ko")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), parameters, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("insert %s %s: %w", name, parameters, err)
	}
	return nil
}

// exitCode runs a program to its end.
func exitCode(cmd *exec.Cmd) (int, error) {
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return 128 + int(s.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return -1, err
}
