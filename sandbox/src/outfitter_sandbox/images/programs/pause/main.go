// Pause holds the namespaces of a pod: it reaps whatever is left to process 1 and ends on SIGTERM.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "pause: not process 1, so orphans of the pod go elsewhere")
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	for {
		for reaped := 1; reaped > 0; {
			reaped, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
		if caught := <-signals; caught != syscall.SIGCHLD {
			fmt.Fprintln(os.Stderr, "pause: ends on", caught)
			return
		}
	}
}
