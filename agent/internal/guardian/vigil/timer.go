package vigil

import (
	"syscall"
	"unsafe"
)

// What poll(2) and timerfd_create(2) need, which package syscall does not have.
// golang.org/x/sys/unix is initialised later than most of the program.
const (
	pollIn        = 1
	clockBoottime = 7
	timerAbstime  = 1
)

type pollFd struct {
	fd              int32
	events, revents int16
}

// newTimer returns a timer on CLOCK_BOOTTIME.
func newTimer() (int, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockBoottime, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// setTimer arms the timer for a point of its clock in nanoseconds; 0 disarms it,
// and what has passed fires at once.
func setTimer(fd int, ns int64) {
	var spec struct{ interval, value syscall.Timespec }
	spec.value = syscall.NsecToTimespec(ns)
	_, _, _ = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, uintptr(fd), timerAbstime, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}
