package random

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func given(kind string, inputs resource.PropertyMap) values { return read(kinds[kind], inputs) }

func drawn(t *testing.T, kind string, inputs resource.PropertyMap) (string, resource.PropertyMap) {
	t.Helper()
	if err := kinds[kind].check(given(kind, inputs)); err != nil {
		t.Fatal(err)
	}
	id, result, err := kinds[kind].draw(given(kind, inputs))
	if err != nil {
		t.Fatal(err)
	}
	return id, result
}

func TestString(t *testing.T) {
	no := resource.NewBoolProperty(false)
	for name, test := range map[string]struct {
		inputs resource.PropertyMap
		want   string
	}{
		"defaults":         {resource.PropertyMap{"length": num(40)}, `^[A-Za-z0-9!@#$%&*()\-_=+\[\]{}<>:?]{40}$`},
		"digits only":      {resource.PropertyMap{"length": num(9), "upper": no, "lower": no, "special": no}, `^[0-9]{9}$`},
		"number, old name": {resource.PropertyMap{"length": num(60), "number": no, "special": no}, `^[A-Za-z]{60}$`},
		"own specials":     {resource.PropertyMap{"length": num(8), "upper": no, "lower": no, "numeric": no, "overrideSpecial": str("_%")}, `^[_%]{8}$`},
	} {
		t.Run(name, func(t *testing.T) {
			id, result := drawn(t, "RandomString", test.inputs)
			text := result["result"].StringValue()
			if !regexp.MustCompile(test.want).MatchString(text) || id != text {
				t.Errorf("got %q with id %q", text, id)
			}
		})
	}
	for range 50 {
		_, result := drawn(t, "RandomString", resource.PropertyMap{"length": num(4), "minUpper": num(1), "minNumeric": num(1), "minSpecial": num(1)})
		text := result["result"].StringValue()
		if !strings.ContainsAny(text, "0123456789") || strings.ToLower(text) == text || !strings.ContainsAny(text, "!@#$%&*()-_=+[]{}<>:?") {
			t.Errorf("%q lacks what it was asked to have", text)
		}
	}
}

func TestStringRefused(t *testing.T) {
	no := resource.NewBoolProperty(false)
	for name, inputs := range map[string]resource.PropertyMap{
		"no length":       {"length": num(0)},
		"minimums exceed": {"length": num(3), "minLower": num(2), "minUpper": num(2)},
		"nothing to draw": {"length": num(3), "upper": no, "lower": no, "numeric": no, "special": no},
	} {
		if err := kinds["RandomPassword"].check(given("RandomPassword", inputs)); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

func TestID(t *testing.T) {
	id, result := drawn(t, "RandomId", resource.PropertyMap{"byteLength": num(8), "prefix": str("p-")})
	bytes, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(bytes) != 8 || result["hex"].StringValue() != "p-"+hex.EncodeToString(bytes) {
		t.Errorf("id %q, result %v, %v", id, result, err)
	}
	again, inputs, parsed, err := parseID("p-," + id)
	if err != nil || again != id || inputs["byteLength"].NumberValue() != 8 || !parsed["dec"].DeepEquals(result["dec"]) {
		t.Errorf("imported as %q, %v, %v, %v", again, inputs, parsed, err)
	}
}

func TestInteger(t *testing.T) {
	bounds := resource.PropertyMap{"min": num(3), "max": num(4), "seed": str("s")}
	// What terraform-provider-random, and so the official plugin, draws by this seed.
	if id, _ := drawn(t, "RandomInteger", resource.PropertyMap{"min": num(1), "max": num(100), "seed": str("abc")}); id != "45" {
		t.Errorf("seed abc gave %s", id)
	}
	id, result := drawn(t, "RandomInteger", bounds)
	if again, _ := drawn(t, "RandomInteger", bounds); id != again {
		t.Errorf("one seed gave %s and %s", id, again)
	}
	if n := result["result"].NumberValue(); n != 3 && n != 4 {
		t.Errorf("%v is out of bounds", n)
	}
	if err := kinds["RandomInteger"].check(given("RandomInteger", resource.PropertyMap{"min": num(4), "max": num(3)})); err == nil {
		t.Error("bounds the wrong way round must be refused")
	}
}

func TestUUID(t *testing.T) {
	id, _ := drawn(t, "RandomUuid", nil)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Error(id)
	}
}

func TestPasswordIsSecret(t *testing.T) {
	all := outputs(kinds["RandomPassword"], resource.PropertyMap{"length": num(3)}, resource.PropertyMap{"result": str("abc")})
	if !all["result"].IsSecret() || all["length"].IsSecret() {
		t.Errorf("got %v", all)
	}
}
