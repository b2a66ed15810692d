// Command burner is the bed's workload: about one hundredth of a core and sixteen mebibytes, so that
// `kubectl top pods` has something to show. It stops at once when told to.
package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	mebibytes = 16
	period    = 100 * time.Millisecond
	busy      = time.Millisecond
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	held := make([]byte, mebibytes<<20)
	tick := time.NewTicker(period)
	for at := 0; ; {
		select {
		case <-stop:
			return
		case begun := <-tick.C:
			for time.Since(begun) < busy {
				at = (at + 4096) % len(held)
				held[at]++
			}
		}
	}
}
