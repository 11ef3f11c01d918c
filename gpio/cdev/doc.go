// Package cdev opens lines of the kernel's GPIO character device (uAPI v2,
// include/uapi/linux/gpio.h) as [gpio.Input] and [gpio.Output].
//
//	Place ──▶ Lookup ──▶ Info            who holds the line, under which name
//	      ├─▶ OpenInput  ──▶ *Input      edges with the kernel's time
//	      └─▶ OpenOutput ──▶ *Output     off from its first moment to its last
//
// A line is found by the label of its chip and its own name, or the label and
// the offset. The numbers of chips and the global numbers of lines change from
// boot to boot, and are never used.
//
// An input asks for no debounce of the kernel's. Where the hardware has none,
// the kernel reports an edge when the level has been steady for the time, with
// the time of that moment (gpiolib-cdev.c, debounce_work_func): as late as
// [gpio.Button]'s filter, but without the raw edge and the count of glitches.
//
// Below it is the module go-gpiocdev: its chips and output lines, and for
// inputs its ioctls only. Its own watcher of edges goes on when a line is gone:
// nobody hears of that (seen on Linux 6.1), and where the kernel tells poll of it
// (see probeEvery) the watcher is woken for ever.
package cdev
