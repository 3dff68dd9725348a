package random

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"math/big"
	mathrand "math/rand"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/bcrypt"
)

// kind is one type of resource.
type kind struct {
	name string
	// inputs with their defaults; one without default is null.
	inputs  resource.PropertyMap
	outputs []resource.PropertyKey
	// secret makes the outputs secret.
	secret bool
	check  func(values) error
	draw   func(values) (id string, drawn resource.PropertyMap, err error)
	// parse reads the id of an import; nil where there is no import.
	parse func(given string) (id string, inputs, drawn resource.PropertyMap, err error)
}

// values are inputs with their defaults, secrets laid open.
type values resource.PropertyMap

func (v values) number(key resource.PropertyKey) int {
	if v[key].IsNumber() {
		return int(v[key].NumberValue())
	}
	return 0
}

func (v values) flag(key resource.PropertyKey) bool { return v[key].IsBool() && v[key].BoolValue() }

func (v values) text(key resource.PropertyKey) string {
	if v[key].IsString() {
		return v[key].StringValue()
	}
	return ""
}

// complete adds the defaults to the inputs.
func complete(kind kind, inputs resource.PropertyMap) resource.PropertyMap {
	all := resource.PropertyMap{}
	for key, value := range kind.inputs {
		if !value.IsNull() {
			all[key] = value
		}
	}
	for key, value := range inputs {
		if key != "__defaults" && !value.IsNull() {
			all[key] = value
		}
	}
	// "number" is the former name of "numeric": each given sets the other.
	_, both := kind.inputs["numeric"]
	if number, given := inputs["number"]; both && given {
		all["numeric"] = number
	} else if both {
		all["number"] = all["numeric"]
	}
	return all
}

func read(kind kind, inputs resource.PropertyMap) values {
	open := values{}
	for key, value := range complete(kind, inputs) {
		for value.IsSecret() {
			value = value.SecretValue().Element
		}
		open[key] = value
	}
	return open
}

var (
	yes  = resource.NewBoolProperty(true)
	zero = resource.NewNumberProperty(0)
	none = resource.NewNullProperty()
	str  = resource.NewStringProperty
	num  = func(n int) resource.PropertyValue { return resource.NewNumberProperty(float64(n)) }
)

var kinds = map[string]kind{
	"RandomId": {
		name:    "RandomId",
		inputs:  resource.PropertyMap{"byteLength": none, "prefix": none},
		outputs: []resource.PropertyKey{"b64Std", "b64Url", "dec", "hex"},
		check: func(v values) error {
			if v.number("byteLength") < 1 {
				return errors.New("byteLength: must be a whole number of at least 1")
			}
			return nil
		},
		draw:  drawID,
		parse: parseID,
	},
	"RandomInteger": {
		name:    "RandomInteger",
		inputs:  resource.PropertyMap{"min": none, "max": none, "seed": none},
		outputs: []resource.PropertyKey{"result"},
		check: func(v values) error {
			if !v["min"].IsNumber() || !v["max"].IsNumber() || v.number("max") < v.number("min") {
				return errors.New("min, max: both are needed, and the minimum value needs to be smaller than or equal to maximum value")
			}
			return nil
		},
		draw: drawInteger,
	},
	"RandomPassword": {
		name: "RandomPassword", inputs: stringInputs, outputs: []resource.PropertyKey{"bcryptHash", "result"}, secret: true,
		check: checkString,
		draw: func(v values) (string, resource.PropertyMap, error) {
			text, err := drawText(v)
			if err != nil {
				return "", nil, err
			}
			drawn, err := password(text)
			return "none", drawn, err
		},
		parse: func(given string) (string, resource.PropertyMap, resource.PropertyMap, error) {
			drawn, err := password(given)
			return "none", resource.PropertyMap{"length": num(len([]rune(given)))}, drawn, err
		},
	},
	"RandomString": {
		name: "RandomString", inputs: stringInputs, outputs: []resource.PropertyKey{"result"},
		check: checkString,
		draw: func(v values) (string, resource.PropertyMap, error) {
			text, err := drawText(v)
			return text, resource.PropertyMap{"result": str(text)}, err
		},
		parse: func(given string) (string, resource.PropertyMap, resource.PropertyMap, error) {
			return given, resource.PropertyMap{"length": num(len([]rune(given)))}, resource.PropertyMap{"result": str(given)}, nil
		},
	},
	"RandomUuid": {
		name: "RandomUuid", inputs: resource.PropertyMap{}, outputs: []resource.PropertyKey{"result"},
		check: func(values) error { return nil },
		draw: func(values) (string, resource.PropertyMap, error) {
			text, err := drawUUID()
			return text, resource.PropertyMap{"result": str(text)}, err
		},
		parse: func(given string) (string, resource.PropertyMap, resource.PropertyMap, error) {
			return given, resource.PropertyMap{}, resource.PropertyMap{"result": str(given)}, nil
		},
	},
}

var stringInputs = resource.PropertyMap{
	"length": none, "overrideSpecial": none,
	"upper": yes, "lower": yes, "numeric": yes, "number": yes, "special": yes,
	"minUpper": zero, "minLower": zero, "minNumeric": zero, "minSpecial": zero,
}

// password comes with its hash, of the first 72 bytes, which is all that bcrypt takes.
func password(text string) (resource.PropertyMap, error) {
	bytes := []byte(text)
	hash, err := bcrypt.GenerateFromPassword(bytes[:min(len(bytes), 72)], bcrypt.DefaultCost)
	return resource.PropertyMap{"result": str(text), "bcryptHash": str(string(hash))}, err
}

// alphabets are what a string is drawn from, with the flag and the minimum that steer each.
func alphabets(v values) []alphabet {
	special := "!@#$%&*()-_=+[]{}<>:?"
	if override := v.text("overrideSpecial"); override != "" {
		special = override
	}
	all := []alphabet{
		{"upper", "minUpper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
		{"lower", "minLower", "abcdefghijklmnopqrstuvwxyz"},
		{"numeric", "minNumeric", "0123456789"},
		{"special", "minSpecial", special},
	}
	return all
}

type alphabet struct {
	flag, minimum resource.PropertyKey
	letters       string
}

func checkString(v values) error {
	least, any := 0, false
	for _, letters := range alphabets(v) {
		least += v.number(letters.minimum)
		any = any || v.flag(letters.flag)
	}
	switch length := v.number("length"); {
	case length < 1:
		return errors.New("length: must be a whole number of at least 1")
	case length < least:
		return fmt.Errorf("length: the minimum value is the sum of minUpper, minLower, minNumeric and minSpecial, "+
			"which is %d, but length is %d", least, length)
	case !any:
		return errors.New("upper, lower, numeric, special: at least one attribute must be true")
	}
	return nil
}

// drawText draws the minimum of each alphabet, then the rest from all that are on, and shuffles.
func drawText(v values) (string, error) {
	var text []rune
	everything := ""
	for _, letters := range alphabets(v) {
		if v.flag(letters.flag) {
			everything += letters.letters
		}
		drawn, err := drawLetters(letters.letters, v.number(letters.minimum))
		if err != nil {
			return "", err
		}
		text = append(text, drawn...)
	}
	rest, err := drawLetters(everything, v.number("length")-len(text))
	if err != nil {
		return "", err
	}
	text = append(text, rest...)
	for i := len(text) - 1; i > 0; i-- {
		j, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			return "", err
		}
		text[i], text[j.Int64()] = text[j.Int64()], text[i]
	}
	return string(text), nil
}

func drawLetters(letters string, count int) ([]rune, error) {
	from := []rune(letters)
	var drawn []rune
	for range count {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
		if err != nil {
			return nil, err
		}
		drawn = append(drawn, from[i.Int64()])
	}
	return drawn, nil
}

func drawID(v values) (string, resource.PropertyMap, error) {
	bytes := make([]byte, v.number("byteLength"))
	if _, err := rand.Read(bytes); err != nil {
		return "", nil, err
	}
	id, drawn := encode(bytes, v.text("prefix"))
	return id, drawn, nil
}

// encode writes the bytes in every form, each behind the prefix; the id has none.
func encode(bytes []byte, prefix string) (string, resource.PropertyMap) {
	id := base64.RawURLEncoding.EncodeToString(bytes)
	return id, resource.PropertyMap{
		"b64Std": str(prefix + base64.StdEncoding.EncodeToString(bytes)),
		"b64Url": str(prefix + id),
		"hex":    str(prefix + hex.EncodeToString(bytes)),
		"dec":    str(prefix + new(big.Int).SetBytes(bytes).String()),
	}
}

// parseID reads "B64URL" or "PREFIX,B64URL".
func parseID(given string) (string, resource.PropertyMap, resource.PropertyMap, error) {
	prefix, text := "", given
	if cut := strings.LastIndex(given, ","); cut >= 0 {
		prefix, text = given[:cut], given[cut+1:]
	}
	bytes, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", nil, nil, fmt.Errorf("the id to import is base64 for URLs, behind a prefix and a comma if any: %w", err)
	}
	inputs := resource.PropertyMap{"byteLength": num(len(bytes))}
	if prefix != "" {
		inputs["prefix"] = str(prefix)
	}
	id, drawn := encode(bytes, prefix)
	return id, inputs, drawn, nil
}

func drawInteger(v values) (string, resource.PropertyMap, error) {
	source := mathrand.NewSource(0)
	if seed := v.text("seed"); seed != "" {
		source.Seed(int64(crc64.Checksum([]byte(seed), crc64.MakeTable(crc64.ISO))))
	} else {
		var random [8]byte
		if _, err := rand.Read(random[:]); err != nil {
			return "", nil, err
		}
		source.Seed(int64(binary.BigEndian.Uint64(random[:])))
	}
	drawn := mathrand.New(source).Intn(v.number("max")+1-v.number("min")) + v.number("min")
	return strconv.Itoa(drawn), resource.PropertyMap{"result": num(drawn)}, nil
}

func drawUUID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
