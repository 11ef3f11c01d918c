//go:build !arm64

package main

import "errors"

// hostFile is there only so that this program compiles for its tests on other machines.
type hostFile struct{}

func createHostFile(string) (*hostFile, error) { return nil, errors.New("not the virtual board") }
func hostFileExists(string) bool               { return false }
func (*hostFile) Write([]byte) (int, error)    { return 0, errors.New("not the virtual board") }
func (*hostFile) Close() error                 { return nil }
func exitHost(int)                             {}
