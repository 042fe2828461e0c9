// Runs a program as root of a user namespace and mount namespace of its own: userns-exec PROGRAM ARGUMENT ...
//
// BuildKit mounts file systems. In a pod that Pod Security `baseline` admits, only root of a namespace of its own can
// do that, without a capability that the pod lacks. The ids 0 to 65535 of the pod are the same ids inside.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

const (
	ids           = 65536
	exitFailed    = 125 // nothing ran
	exitSignalled = 128
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "Usage: userns-exec PROGRAM ARGUMENT ...")
		os.Exit(exitFailed)
	}
	code, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "userns-exec: %v. It needs uid 0, the capabilities SETUID, SETGID and SETFCAP, "+
			"%d ids, and a node that allows nested user namespaces.\n", err, ids)
	}
	os.Exit(code)
}

// run starts the program, passes signals on to it, and returns its exit code.
func run(program string, arguments []string) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)

	// The kernel kills the program when the thread that started it ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command := exec.Command(program, arguments...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: ids}}
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings:                mapping,
		GidMappings:                mapping,
		GidMappingsEnableSetgroups: true,
		Pdeathsig:                  syscall.SIGKILL,
	}
	if err := command.Start(); err != nil {
		return exitFailed, err
	}
	go func() {
		for received := range signals {
			_ = command.Process.Signal(received) // an error means that it has ended
		}
	}()
	err := command.Wait()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return 0, err
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignalled + int(status.Signal()), nil
	}
	return ended.ExitCode(), nil
}
