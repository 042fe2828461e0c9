// Package inside looks at a container from within. An image without a shell has nothing else for `kubectl exec`.
package inside

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Commands maps the first word of a command line to what it does. The error of a command is its exit code 1.
var Commands = map[string]func(args []string) error{
	"env":    environment,
	"id":     func([]string) error { return printJSON(Process()) },
	"mounts": mounts,
	"cat":    cat,
	"ls":     list,
	"write":  write,
	"fill":   fill,
	"rm":     remove,
	"get":    get,
	"dns":    resolve,
	"sleep":  sleep,
	"exit":   exit,

	"kill":       kill,
	"rendezvous": rendezvous,
}

// Usage says what the commands take.
const Usage = `  env [NAME...]           environment, sorted; with names only their values, one a line; exit 1 if one is not set
  id                      user, groups, capabilities, seccomp, working directory, host name, as JSON
  mounts [PATH...]        mounts with options, size and free bytes, as JSON; with paths: the mounts these stand on
  cat FILE...             content of files
  ls [PATH]               mode, owner, group, size and name of everything there
  write FILE TEXT         write text and a newline into a file, which is replaced
  fill FILE MIB           write that many MiB, to see a volume run full
  rm FILE...              remove files
  get [-H 'NAME: VALUE'] [-X METHOD] [-d BODY] [--ca FILE] [--timeout SECONDS] URL
                          body on standard output, status on standard error; exit 1 from status 400 on
  dns NAME...             addresses of names
  sleep SECONDS           wait; SIGTERM ends it with exit code 143
  kill                    end the first program of the container with SIGTERM
  rendezvous [SECONDS]    join all pods of a distributed training by the variables of its framework; exit 1 unless each
                          rank came exactly once; then wait
  exit CODE [TEXT]        end with that code, after writing a text to standard error
`

// Run runs a command of this package, named by the first argument or, through a link, by the program's own name, and
// does not return. It returns when there is no such command.
func Run(program string) {
	for first := range min(2, len(os.Args)) {
		if command, known := Commands[filepath.Base(os.Args[first])]; known {
			if err := command(os.Args[first+1:]); err != nil {
				Fail(program, 1, err)
			}
			os.Exit(0)
		}
	}
}

// Fail says what went wrong on standard error and ends the program.
func Fail(program string, code int, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
	os.Exit(code)
}

// Environment is the sorted environment, NAME=VALUE each.
func Environment() []string {
	all := os.Environ()
	sort.Strings(all)
	return all
}

// List describes what stands at a path: the entries of a directory, or the file itself.
func List(path string) ([]string, error) {
	found, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !found.IsDir() {
		return []string{describe(path, found)}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	lines := []string{}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			lines = append(lines, describe(filepath.Join(path, entry.Name()), info))
		}
	}
	return lines, nil
}

func describe(path string, info fs.FileInfo) string {
	owner, name := "? ?", info.Name()
	if status, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = fmt.Sprintf("%d %d", status.Uid, status.Gid)
	}
	if target, err := os.Readlink(path); err == nil {
		name += " -> " + target
	}
	return fmt.Sprintf("%v %s %d %s", info.Mode(), owner, info.Size(), name)
}

func environment(names []string) error {
	if len(names) == 0 {
		fmt.Println(strings.Join(Environment(), "\n"))
	}
	for _, name := range names {
		value, set := os.LookupEnv(name)
		if !set {
			return fmt.Errorf("%s is not set", name)
		}
		fmt.Println(value)
	}
	return nil
}

func cat(files []string) error {
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, file)
		file.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func list(paths []string) error {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, path := range paths {
		lines, err := List(path)
		if err != nil {
			return err
		}
		for _, line := range lines {
			fmt.Println(line)
		}
	}
	return nil
}

func write(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("write takes a file and a text")
	}
	return os.WriteFile(args[0], []byte(args[1]+"\n"), 0o644)
}

func fill(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("fill takes a file and a number of MiB")
	}
	mib, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	file, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	for written := range mib {
		if _, err := file.Write(block); err != nil {
			return fmt.Errorf("after %d MiB: %w", written, err)
		}
	}
	return file.Sync()
}

func remove(files []string) error {
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

func sleep(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("sleep takes a number of seconds")
	}
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-time.After(time.Duration(seconds * float64(time.Second))):
	case caught := <-signals:
		os.Exit(128 + int(caught.(syscall.Signal)))
	}
	return nil
}

func exit(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("exit takes a code")
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if len(args) > 1 {
		fmt.Fprintln(os.Stderr, strings.Join(args[1:], " "))
	}
	os.Exit(code)
	return nil
}

func kill([]string) error {
	return syscall.Kill(1, syscall.SIGTERM)
}
