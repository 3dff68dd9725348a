// Command runc stands before the real runc on PATH, on machines whose root lacks a capability (virtual machines and
// containers of CI services often lack CAP_SYS_RESOURCE). There runc refuses every privileged container with "unable to
// apply caps". This program takes out of the container's configuration what the machine does not have, and hands over
// to the real runc. Where nothing is missing it changes nothing.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	real, err := next("runc")
	if err == nil {
		err = rewrite(os.Args[1:])
	}
	if err == nil {
		err = syscall.Exec(real, append([]string{real}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintf(os.Stderr, "runc of the lab: %v\n", err)
	os.Exit(1)
}

// next finds the program of this name on PATH that is not this one.
func next(name string) (string, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", err
	}
	path := os.Getenv("PATH") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, folder := range filepath.SplitList(path) {
		candidate := filepath.Join(folder, name)
		found, err := os.Stat(candidate)
		if err == nil && !found.IsDir() && found.Mode()&0o111 != 0 && !os.SameFile(self, found) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("no other %s on PATH %s: install the package runc", name, path)
}

// rewrite changes the one file in which this call of runc reads capabilities: the bundle's config.json for create and
// run, the file given by --process for exec.
func rewrite(args []string) error {
	switch {
	case slices.Contains(args, "create") || slices.Contains(args, "run"):
		bundle := option(args, "--bundle", "-b")
		return edit(filepath.Join(bundle, "config.json"), func(spec map[string]any) map[string]any {
			process, _ := spec["process"].(map[string]any)
			return process
		})
	case slices.Contains(args, "exec"):
		if file := option(args, "--process", "-p"); file != "" {
			return edit(file, func(process map[string]any) map[string]any { return process })
		}
	}
	return nil
}

func option(args []string, long, short string) string {
	for i, arg := range args {
		if (arg == long || arg == short) && i+1 < len(args) {
			return args[i+1]
		}
		if value, found := strings.CutPrefix(arg, long+"="); found {
			return value
		}
	}
	return ""
}

func edit(file string, processOf func(map[string]any) map[string]any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // sizes and device numbers stay what they are
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	bounding, err := boundingSet(string(status))
	if err != nil {
		return err
	}
	process := processOf(content)
	changed := limitCapabilities(process, bounding)
	if !bounding.has("CAP_SYS_RESOURCE") {
		score, err := os.ReadFile("/proc/self/oom_score_adj")
		if err != nil {
			return err
		}
		changed = raiseOomScore(process, strings.TrimSpace(string(score))) || changed
	}
	if !changed {
		return nil
	}
	text, err = json.Marshal(content)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// capabilitySet is the kernel's bit mask; names gives each bit's name (capability.h).
type capabilitySet uint64

var names = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
	SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
	SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

func boundingSet(status string) (capabilitySet, error) {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, "CapBnd:"); found {
			bits, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return capabilitySet(bits), err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no CapBnd")
}

func (set capabilitySet) has(capability string) bool {
	bit := slices.Index(names, strings.TrimPrefix(capability, "CAP_"))
	return bit < 0 || set&(1<<bit) != 0 // an unknown one is runc's business
}

func limitCapabilities(process map[string]any, bounding capabilitySet) bool {
	changed := false
	sets, _ := process["capabilities"].(map[string]any)
	for kind, value := range sets {
		list, _ := value.([]any)
		kept := slices.DeleteFunc(slices.Clone(list), func(capability any) bool {
			name, _ := capability.(string)
			return !bounding.has(name)
		})
		if len(kept) < len(list) {
			sets[kind], changed = kept, true
		}
	}
	return changed
}

// raiseOomScore: without CAP_SYS_RESOURCE nobody may lower the score that they were started with.
func raiseOomScore(process map[string]any, own string) bool {
	wanted, isNumber := process["oomScoreAdj"].(json.Number)
	if !isNumber {
		return false
	}
	score, err := wanted.Int64()
	least, ownErr := strconv.ParseInt(own, 10, 64)
	if err != nil || ownErr != nil || score >= least {
		return false
	}
	process["oomScoreAdj"] = least
	return true
}
