package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

var errBuild = errors.New("build")

// builder makes what runs in the board, each once.
type builder struct {
	dir     string // for what is built
	tags    string
	overlay string // a file for go's -overlay, or ""
	built   map[string]string
}

// staticArm64 are the settings for cgo with Debian's cross compiler; the pkg-config folder must have the
// arm64 libraries only.
var staticArm64 = []string{
	"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=1", "CC=aarch64-linux-gnu-gcc",
	"PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig", "GOFLAGS=",
}

const staticLink = `-linkmode external -extldflags "-static -lm -Wl,--gc-sections"`

// guest builds the board's first process.
func (b *builder) guest(ctx context.Context) (string, error) {
	// No commit in it: the same program must be the same file, or its run would be another one with each commit.
	return b.build(ctx, "guest", []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS="},
		"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "./lab/guest")
}

// intercom builds the product as `make arm64` does.
func (b *builder) intercom(ctx context.Context) (string, error) {
	// No commit in it, nor its time: the board's clock is fixed earlier than that, and tokens made by it would have ended for a floor from there.
	return b.build(ctx, "intercom", staticArm64, "build", "-trimpath", "-buildvcs=false", "-tags", b.tags+" netgo osusergo",
		"-ldflags", "-s -w "+staticLink, "./cmd/intercom")
}

// test builds a package's tests, with the race detector.
func (b *builder) test(ctx context.Context, pkg string) (string, error) {
	return b.build(ctx, strings.NewReplacer("/", "-", ".", "").Replace(pkg)+".test", staticArm64,
		"test", "-race", "-c", "-trimpath", "-tags", b.tags+" netgo osusergo", "-ldflags", "-s -w "+staticLink, pkg)
}

func (b *builder) build(ctx context.Context, name string, env []string, args ...string) (string, error) {
	if path, ok := b.built[name]; ok {
		return path, nil
	}
	out := filepath.Join(b.dir, name)
	last := len(args) - 1
	if b.overlay != "" {
		args = slices.Insert(args, last, "-overlay", b.overlay)
		last += 2
	}
	args = append(append(args[:last:last], "-o", out), args[last])
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s: %w\n%s", errBuild, name, err, said.Bytes())
	}
	b.built[name] = out
	return out, nil
}

// makeKernel returns the folder of the kernel, which it makes if need be.
func makeKernel(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "lab/kernel")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("the board's kernel: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
