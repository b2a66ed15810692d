// Beside Go's package time: how far the time of day is moved, as clock.c has it.
package time

import (
	"syscall"
	"unsafe"
)

var ahead = func() *int64 {
	path, found := syscall.Getenv("YEAR_CLOCK")
	if !found {
		return new(int64)
	}
	file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	defer syscall.Close(file)
	mapped, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&mapped[0]))
}()
