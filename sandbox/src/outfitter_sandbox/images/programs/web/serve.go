package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"outfitter.dev/programs/inside"
)

// Settings of one run. Times are in seconds since the start; a negative one means never.
type settings struct {
	ports          string
	health         string
	start          float64
	stop           float64
	crashAfter     float64
	crashCode      int
	unhealthyAfter float64
	eat            int
	message        string
}

// Every option has an environment variable as well: WEB_ and its name, with underscores.
func parse(args []string) settings {
	chosen := settings{}
	flags := flag.NewFlagSet("web serve", flag.ExitOnError)
	flags.StringVar(&chosen.ports, "port", "8080", "ports to listen on, separated by commas")
	flags.StringVar(&chosen.health, "health", "/health", "path of the health check")
	flags.Float64Var(&chosen.start, "start-seconds", 0, "listen only after so long")
	flags.Float64Var(&chosen.stop, "stop-seconds", 0, "end only so long after SIGTERM")
	flags.Float64Var(&chosen.crashAfter, "crash-after-seconds", -1, "end with the crash code after so long")
	flags.IntVar(&chosen.crashCode, "crash-code", 1, "exit code of a crash")
	flags.Float64Var(&chosen.unhealthyAfter, "unhealthy-after-seconds", -1, "health answers 500 after so long")
	flags.IntVar(&chosen.eat, "eat-mib", 0, "take and use so much memory once listening, in MiB")
	flags.StringVar(&chosen.message, "message", "", "text in every answer, to tell versions apart")
	flags.VisitAll(func(each *flag.Flag) {
		name := "WEB_" + strings.ToUpper(strings.ReplaceAll(each.Name, "-", "_"))
		if value, set := os.LookupEnv(name); set {
			if err := each.Value.Set(value); err != nil {
				inside.Fail("web", 2, fmt.Errorf("%s=%s: %w", name, value, err))
			}
		}
	})
	flags.Parse(args)
	if flags.NArg() > 0 {
		inside.Fail("web", 2, fmt.Errorf("serve takes options only, not %q", flags.Args()))
	}
	return chosen
}

func serve(args []string) {
	chosen := parse(args)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if chosen.crashAfter >= 0 {
		time.AfterFunc(seconds(chosen.crashAfter), func() { crash(chosen.crashCode) })
	}
	if chosen.start > 0 {
		fmt.Printf("web: listens in %g seconds\n", chosen.start)
	}
	select {
	case <-time.After(seconds(chosen.start)):
	case caught := <-signals:
		fmt.Println("web: ends on", caught)
		return
	}
	server := &http.Server{Handler: handler(chosen), ReadHeaderTimeout: 10 * time.Second}
	for _, port := range strings.Split(chosen.ports, ",") {
		listener, err := net.Listen("tcp", ":"+strings.TrimSpace(port))
		if err != nil {
			inside.Fail("web", 1, err)
		}
		fmt.Println("web: listens on", listener.Addr())
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				inside.Fail("web", 1, err)
			}
		}()
	}
	go eat(chosen.eat)
	fmt.Println("web: ends on", <-signals)
	time.Sleep(seconds(chosen.stop))
	ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	server.Shutdown(ctx)
}

func crash(code int) {
	fmt.Fprintf(os.Stderr, "web: crashes with exit code %d, as told\n", code)
	os.Exit(code)
}

// Held for ever, so that the collector cannot give it back.
var eaten [][]byte

// Bit by bit, so that a log line stands before the end.
func eat(mib int) {
	const step = 16
	for taken := 0; taken < mib; taken += step {
		block := make([]byte, min(step, mib-taken)<<20)
		for page := 0; page < len(block); page += 4096 {
			block[page] = 1
		}
		eaten = append(eaten, block)
		fmt.Printf("web: holds %d MiB\n", taken+len(block)>>20)
		time.Sleep(20 * time.Millisecond)
	}
}

func seconds(number float64) time.Duration {
	return time.Duration(number * float64(time.Second))
}

func number(request *http.Request, name string, usual int) (int, error) {
	text := request.URL.Query().Get(name)
	if text == "" {
		return usual, nil
	}
	return strconv.Atoi(text)
}
