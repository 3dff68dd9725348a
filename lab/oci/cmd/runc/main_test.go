package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

const withoutSysResource = "Name:\tx\nCapBnd:\t000001fffeffffff\n"

func TestMissingCapabilitiesAreTakenOut(t *testing.T) {
	bounding, err := boundingSet(withoutSysResource)
	if err != nil {
		t.Fatal(err)
	}
	process := map[string]any{"capabilities": map[string]any{
		"bounding": []any{"CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_OF_THE_FUTURE"},
		"ambient":  []any{},
	}}
	if !limitCapabilities(process, bounding) {
		t.Fatal("nothing was changed")
	}
	want := map[string]any{"bounding": []any{"CAP_CHOWN", "CAP_OF_THE_FUTURE"}, "ambient": []any{}}
	if got := process["capabilities"]; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if limitCapabilities(process, bounding) {
		t.Fatal("a second time changes again")
	}
}

func TestOomScoreIsNeverLowered(t *testing.T) {
	for _, c := range []struct{ wanted, own, want string }{{"-998", "0", "0"}, {"-998", "-500", "-500"}, {"1000", "0", "1000"}} {
		process := map[string]any{"oomScoreAdj": json.Number(c.wanted)}
		raiseOomScore(process, c.own)
		if got, _ := json.Marshal(process["oomScoreAdj"]); string(got) != c.want {
			t.Errorf("wanted %s at %s: got %s, want %s", c.wanted, c.own, got, c.want)
		}
	}
}

func TestNumbersOfTheConfigurationStayWhatTheyAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	text := `{"linux":{"limit":9223372036854771712},"process":{"capabilities":{"bounding":["CAP_CHOWN"]},"oomScoreAdj":1000}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	err := edit(file, func(spec map[string]any) map[string]any {
		process := spec["process"].(map[string]any)
		process["capabilities"].(map[string]any)["bounding"] = []any{"CAP_CHOWN"}
		return process
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != text {
		t.Fatalf("got %s", got)
	}
}

func TestOptionsInEitherForm(t *testing.T) {
	for _, args := range [][]string{{"create", "--bundle", "/b", "id"}, {"create", "--bundle=/b", "id"}, {"run", "-b", "/b", "id"}} {
		if got := option(args, "--bundle", "-b"); got != "/b" {
			t.Errorf("%v: got %q", args, got)
		}
	}
}
