package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Where a profile stands. Native images are given the directory of their model, others a cache with many.
func place(chosen profile) string {
	if own := os.Getenv("NIM_ENGINE_MODEL_PATH"); own != "" {
		return own
	}
	model := strings.ReplaceAll(modelName(), "/", "--")
	return filepath.Join(setting("NIM_CACHE_PATH", "/opt/nim/.cache"), "ngc", "hub", "models--"+model, chosen.id)
}

func modelName() string { return setting("FAKE_NIM_MODEL", "meta/llama-3.1-8b-instruct") }

func downloadToCache(args []string) error {
	wanted := []string{}
	for position := 0; position < len(args); position++ {
		switch arg := args[position]; {
		case arg == "--all":
			for _, each := range profiles {
				wanted = append(wanted, each.id)
			}
		case arg == "--profiles" || arg == "--profile" || arg == "-p":
			for position+1 < len(args) && !strings.HasPrefix(args[position+1], "-") {
				position++
				wanted = append(wanted, args[position])
			}
		default:
			return fmt.Errorf("download-to-cache does not know %s; it takes --all or --profiles ID...", arg)
		}
	}
	if len(wanted) == 0 {
		wanted = append(wanted, os.Getenv("NIM_MODEL_PROFILE"))
	}
	for _, text := range wanted {
		chosen, err := profileOf(text)
		if err != nil {
			return err
		}
		if err := modelIn(place(chosen), chosen).download(); err != nil {
			return err
		}
	}
	return nil
}

func createModelStore(args []string) error {
	given := map[string]string{"--profile": os.Getenv("NIM_MODEL_PROFILE")}
	for len(args) > 0 {
		if (args[0] != "--profile" && args[0] != "--model-store") || len(args) == 1 {
			return fmt.Errorf("create-model-store takes --profile ID and --model-store DIRECTORY, not %q", args)
		}
		given[args[0]], args = args[1], args[2:]
	}
	if given["--model-store"] == "" {
		return fmt.Errorf("create-model-store needs --model-store DIRECTORY")
	}
	chosen, err := profileOf(given["--profile"])
	if err != nil {
		return err
	}
	return modelIn(given["--model-store"], chosen).download()
}
