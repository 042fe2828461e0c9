// Fake-nim behaves like a NIM image towards Kubernetes: it downloads a model into a cache, loads it, and serves the
// paths that probes and clients ask for. The model is a few files of made-up bytes.
//
// Its own settings, beside those of a real one:
//
//	FAKE_NIM_FILES         files of the model (4)
//	FAKE_NIM_FILE_MIB      size of each in MiB (1)
//	FAKE_NIM_FILE_SECONDS  time that the download of each takes at least (0)
//	FAKE_NIM_LOAD_SECONDS  time from the complete cache to ready (0)
//	FAKE_NIM_EXPECT_KEY    the only NGC_API_KEY that may download; default: any
//	FAKE_NIM_MODEL         name of the model (meta/llama-3.1-8b-instruct)
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"outfitter.dev/programs/inside"
)

const usage = `fake-nim [nim-serve]                     download what is missing, load it, serve
fake-nim download-to-cache [--all | --profiles ID...]
fake-nim create-model-store [--profile ID] --model-store DIRECTORY
fake-nim list-model-profiles
fake-nim COMMAND [...]                   look at the container from inside:
`

func main() {
	inside.Run("fake-nim")
	args := os.Args[1:]
	// As in the real images, each utility is a program of its own; here they are links to this one.
	if own := strings.ReplaceAll(strings.TrimPrefix(filepath.Base(os.Args[0]), "nim_"), "_", "-"); own != "fake-nim" {
		args = append([]string{own}, args...)
	}
	name := "nim-serve"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	var err error
	switch name {
	case "nim-serve", "nim-run":
		err = serve()
	case "download-to-cache":
		err = downloadToCache(args)
	case "create-model-store":
		err = createModelStore(args)
	case "list-model-profiles":
		for _, each := range profiles {
			fmt.Printf("- %s (%s)\n", each.id, each.name)
		}
	default:
		fmt.Fprintf(os.Stderr, "fake-nim: there is no command %q\n%s%s", name, usage, inside.Usage)
		os.Exit(2)
	}
	if err != nil {
		inside.Fail("fake-nim", 1, err)
	}
}

func setting(name, usual string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return usual
}

func amount(name, usual string) float64 {
	value, err := strconv.ParseFloat(setting(name, usual), 64)
	if err != nil || value < 0 {
		inside.Fail("fake-nim", 2, fmt.Errorf("%s=%s is no amount", name, os.Getenv(name)))
	}
	return value
}
