package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// A way to run the model. Real ones are told apart by such ids, which stand for engine, precision and number of GPUs.
type profile struct{ id, name string }

var profiles = func() []profile {
	made := []profile{}
	for _, name := range []string{"vllm-bf16-tp1", "vllm-bf16-tp2", "tensorrt_llm-fp8-tp1-throughput"} {
		made = append(made, profile{fmt.Sprintf("%x", sha256.Sum256([]byte(name))), name})
	}
	return made
}()

// By id or by name; the empty one is what a real image would choose for the GPUs it finds.
func profileOf(text string) (profile, error) {
	for _, each := range profiles {
		if text == "" || text == each.id || text == each.name {
			return each, nil
		}
	}
	return profile{}, fmt.Errorf("no profile %s; list-model-profiles names those there are", text)
}

// A model in a directory: files whose bytes follow from the profile, so that they can be checked.
type model struct {
	profile   profile
	directory string
	files     int
	size      int64
}

func modelIn(directory string, chosen profile) model {
	return model{
		chosen, directory, int(amount("FAKE_NIM_FILES", "4")), int64(amount("FAKE_NIM_FILE_MIB", "1") * (1 << 20)),
	}
}

func (m model) path(number int) string {
	return filepath.Join(m.directory, fmt.Sprintf("model-%05d-of-%05d.safetensors", number, m.files))
}

func (m model) content(number int) io.Reader {
	seed := sha256.Sum256([]byte(fmt.Sprint(m.profile.id, number)))
	return io.LimitReader(rand.NewChaCha8(seed), m.size)
}

// Whether a file is there with all its bytes.
func (m model) holds(number int) bool {
	file, err := os.Open(m.path(number))
	if err != nil {
		return false
	}
	defer file.Close()
	expected, here, there := m.content(number), make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		want, done := io.ReadFull(expected, here)
		got, _ := io.ReadFull(file, there)
		if want != got || !bytes.Equal(here[:want], there[:got]) {
			return false
		}
		if done != nil {
			extra, _ := file.Read(there)
			return extra == 0
		}
	}
}

func (m model) missing() []int {
	missing := []int{}
	for number := 1; number <= m.files; number++ {
		if !m.holds(number) {
			missing = append(missing, number)
		}
	}
	return missing
}

// Download what is missing, with a line per file. A full cache needs no key and is only read.
func (m model) download() error {
	missing := m.missing()
	if len(missing) == 0 {
		fmt.Printf("Profile %s (%s) is complete in %s\n", m.profile.id, m.profile.name, m.directory)
		return nil
	}
	if err := authorised(); err != nil {
		return err
	}
	if err := os.MkdirAll(m.directory, 0o777); err != nil {
		return err
	}
	fmt.Printf("Downloading profile %s (%s) to %s\n", m.profile.id, m.profile.name, m.directory)
	for _, number := range missing {
		begun := time.Now()
		if err := m.fetch(number); err != nil {
			return fmt.Errorf("download of %s: %w", filepath.Base(m.path(number)), err)
		}
		time.Sleep(time.Duration(amount("FAKE_NIM_FILE_SECONDS", "0")*float64(time.Second)) - time.Since(begun))
		fmt.Printf("Downloaded %d of %d files, %d of %d bytes\n", number, m.files, int64(number)*m.size, int64(m.files)*m.size)
	}
	return nil
}

// Beside its place first, so that whoever is killed leaves nothing that looks complete.
func (m model) fetch(number int) error {
	partial := m.path(number) + ".incomplete"
	file, err := os.Create(partial)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, m.content(number))
	if err == nil {
		err = file.Sync()
	}
	file.Close()
	if err != nil {
		os.Remove(partial)
		return err
	}
	return os.Rename(partial, m.path(number))
}

func authorised() error {
	key := os.Getenv("NGC_API_KEY")
	if key == "" {
		return fmt.Errorf("401 Unauthorized: the model is not in the cache, and NGC_API_KEY is not set")
	}
	if expected := os.Getenv("FAKE_NIM_EXPECT_KEY"); expected != "" && key != expected {
		return fmt.Errorf("401 Unauthorized: NGC_API_KEY is not accepted")
	}
	return nil
}
