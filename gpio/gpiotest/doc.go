// Package gpiotest has a line that only exists in memory, to test what is
// built on package gpio: it is pressed and read back by the test, can bounce,
// fail and be unplugged, and remembers what happened to it and when.
//
// It follows time.Now, so that in a testing/synctest bubble all of it is
// exact.
package gpiotest
