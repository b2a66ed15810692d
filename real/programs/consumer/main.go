// Command consumer uses as much as it is told to: as consume-cpu so many thousandths of a core, as stress so much
// memory. By its names and flags it stands in for the two programs that metrics-server's own e2e tests run.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pause = 5 * time.Millisecond

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	var err error
	switch name := filepath.Base(os.Args[0]); name {
	case "consume-cpu":
		err = consumeCPU(os.Args[1:], stop)
	case "stress":
		err = holdMemory(os.Args[1:], stop)
	default:
		err = fmt.Errorf("%s: it is called consume-cpu or stress", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// consumeCPU is busy whenever this process has had less than its share so far, the runtime's own work included.
func consumeCPU(arguments []string, stop <-chan os.Signal) error {
	millicores, err := number(arguments, "--millicores=")
	if err != nil {
		return err
	}
	seconds, err := number(arguments, "--duration-sec=")
	if err != nil {
		return err
	}
	began := time.Now()
	for {
		elapsed := time.Since(began)
		if elapsed > time.Duration(seconds)*time.Second {
			return nil
		}
		for used() < elapsed*time.Duration(millicores)/1000 {
		}
		select {
		case <-stop:
			return nil
		case <-time.After(pause):
		}
	}
}

// used is the CPU time of this process.
func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// holdMemory touches every page once and keeps it.
func holdMemory(arguments []string, stop <-chan os.Signal) error {
	size, err := following(arguments, "--vm-bytes")
	if err != nil {
		return err
	}
	mebibytes, err := strconv.Atoi(strings.TrimSuffix(size, "M"))
	if err != nil {
		return err
	}
	text, err := following(arguments, "-t")
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	debug.SetGCPercent(-1)
	held := make([]byte, mebibytes<<20)
	for at := 0; at < len(held); at += os.Getpagesize() {
		held[at] = 1
	}
	select {
	case <-stop:
	case <-time.After(time.Duration(seconds) * time.Second):
	}
	fmt.Println("held", len(held), "bytes")
	return nil
}

func number(arguments []string, flag string) (int, error) {
	for _, each := range arguments {
		if text, found := strings.CutPrefix(each, flag); found {
			return strconv.Atoi(text)
		}
	}
	return 0, fmt.Errorf("%sNUMBER was expected", flag)
}

func following(arguments []string, flag string) (string, error) {
	for at, each := range arguments {
		if each == flag && at+1 < len(arguments) {
			return arguments[at+1], nil
		}
	}
	return "", fmt.Errorf("%s VALUE was expected", flag)
}
