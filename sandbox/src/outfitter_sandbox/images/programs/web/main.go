// Web is an HTTP server that misbehaves as told, and a set of commands that look at its container from inside.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"outfitter.dev/programs/inside"
)

const usage = `web [serve] [options]     serve until SIGTERM; "web serve -h" lists the options
web COMMAND [...]         look at the container from inside:
`

func main() {
	inside.Run("web")
	args := os.Args[1:]
	if name := filepath.Base(os.Args[0]); name != "web" {
		// A link named as the program that another image would run, with arguments that mean nothing here.
		fmt.Printf("web: serves in the place of %s %q\n", name, args)
		args = nil
	}
	switch {
	case len(args) == 0 || strings.HasPrefix(args[0], "-"):
		serve(args)
	case args[0] == "serve":
		serve(args[1:])
	default:
		fmt.Fprintf(os.Stderr, "web: there is no command %q\n%s%s", args[0], usage, inside.Usage)
		os.Exit(2)
	}
}
