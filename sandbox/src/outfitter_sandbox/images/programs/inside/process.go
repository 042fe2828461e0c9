package inside

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

// Names of the capability bits, lowest first.
var capabilities = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
	SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE
	AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF
	CHECKPOINT_RESTORE`)

// Identity is who a process is and what it may do. Capability names are without CAP_.
type Identity struct {
	PID             int      `json:"pid"`
	UID             int      `json:"uid"`
	GID             int      `json:"gid"`
	Groups          []int    `json:"groups"`
	Effective       []string `json:"effective"`
	Bounding        []string `json:"bounding"`
	NoNewPrivileges bool     `json:"noNewPrivileges"`
	Seccomp         string   `json:"seccomp"`
	Directory       string   `json:"directory"`
	Home            string   `json:"home"`
	Host            string   `json:"host"`
	Arguments       []string `json:"arguments"`
}

// Process is the identity of this process; what cannot be read stays empty.
func Process() Identity {
	fields := map[string]string{}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for _, line := range strings.Split(string(status), "\n") {
			name, value, _ := strings.Cut(line, ":")
			fields[name] = strings.TrimSpace(value)
		}
	}
	groups, _ := os.Getgroups()
	sort.Ints(groups)
	directory, _ := os.Getwd()
	host, _ := os.Hostname()
	return Identity{
		PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Groups: append([]int{}, groups...),
		Effective: named(fields["CapEff"]), Bounding: named(fields["CapBnd"]),
		NoNewPrivileges: fields["NoNewPrivs"] == "1",
		Seccomp:         map[string]string{"0": "disabled", "1": "strict", "2": "filter"}[fields["Seccomp"]],
		Directory:       directory, Home: os.Getenv("HOME"), Host: host, Arguments: os.Args,
	}
}

func named(mask string) []string {
	bits, _ := strconv.ParseUint(mask, 16, 64)
	names := []string{}
	for number := range 64 {
		if bits&(1<<number) == 0 {
			continue
		}
		if number < len(capabilities) {
			names = append(names, capabilities[number])
		} else {
			names = append(names, fmt.Sprint(number))
		}
	}
	return names
}

// Mount is one line of the mount table.
type Mount struct {
	Path    string   `json:"path"`
	Type    string   `json:"type"`
	Source  string   `json:"source"`
	Options []string `json:"options"`
	Bytes   uint64   `json:"bytes"`
	Free    uint64   `json:"free"`
}

// Mounts is the mount table of this process, in its order.
func Mounts() ([]Mount, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := []Mount{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// id, parent, device, root, path, options, optional fields, "-", type, source, options of the file system
		before, after, _ := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 6 || len(right) < 3 {
			continue
		}
		mount := Mount{
			Path: unescape(left[4]), Type: right[0], Source: unescape(right[1]),
			Options: append(strings.Split(left[5], ","), strings.Split(right[2], ",")...),
		}
		var size syscall.Statfs_t
		if syscall.Statfs(mount.Path, &size) == nil {
			mount.Bytes, mount.Free = size.Blocks*uint64(size.Bsize), size.Bavail*uint64(size.Bsize)
		}
		found = append(found, mount)
	}
	return found, lines.Err()
}

// On is the mount that a path stands on: the one with the longest path above it, the latest of these.
func On(path string, all []Mount) (Mount, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Mount{}, err
	}
	best := Mount{}
	for _, mount := range all {
		above := mount.Path == "/" || absolute == mount.Path || strings.HasPrefix(absolute, mount.Path+"/")
		if above && len(mount.Path) >= len(best.Path) {
			best = mount
		}
	}
	return best, nil
}

// The kernel writes space, tab, newline and backslash as octal numbers.
func unescape(text string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(text)
}

func mounts(paths []string) error {
	all, err := Mounts()
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return printJSON(all)
	}
	chosen := []Mount{}
	for _, path := range paths {
		mount, err := On(path, all)
		if err != nil {
			return err
		}
		chosen = append(chosen, mount)
	}
	return printJSON(chosen)
}

func printJSON(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
