package settings

import (
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want, err string }{
		{"Empty", "a.hcl", "", "{     [] }", ""},
		{"Everything", "a.hcl", "servers = \"a:1/x\"\ntls-ca = \"ca\"\ntls_cert = \"c\"\ntls-key = \"k\"\ntls-server-name = \"n\"\nauth = [\"digest:a:@b\"]\nsession-timeout = \"9s\"", "{a:1/x ca c k n [digest:a:@b] 9s}", ""},
		{"ServersAsList", "a.hcl", `servers = ["a:1", "b:2/x"]`, "{a:1,b:2/x     [] }", ""},
		{"JSON", "a.json", `{"servers": ["a:1"], "auth": "digest:a:@b", "tls-ca": null}`, "{a:1     [digest:a:@b] }", ""},
		{"UnknownName", "a.hcl", `server = "a:1"`, "", `a.hcl:1,1-15: there is no setting "server"`},
		{"NotAString", "a.hcl", `servers = {}`, "", `"servers" must be a string`},
		{"TwoNames", "a.hcl", `tls-ca = ["a", "b"]`, "", `"tls-ca" is one string`},
		{"Block", "a.hcl", "tls {}", "", "Unexpected"},
		{"Syntax", "a.hcl", "servers =", "", "a.hcl:1"},
		{"Variable", "a.hcl", "auth = var.secret", "", `"auth" must be a string`},
		{"BrokenJSON", "a.json", "{", "", "a.json:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseFile([]byte(tt.text), tt.file)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := "{" + strings.Join([]string{c.Servers, c.TLSCA, c.TLSCert, c.TLSKey, c.TLSServerName, "[" + strings.Join(c.Auth, " ") + "]", c.SessionTimeout}, " ") + "}"
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// No error of a file shows what stands in it as a secret.
func TestErrorsShowNoSecret(t *testing.T) {
	for _, text := range []string{
		`auth = "digest:a:s3cret" + 1`, "auth = \"digest:a:s3cret\"\nbad =", `auth = {a = "s3cret"}`, `auth = ["s3cret", null]`, `auth = "s3cret`,
	} {
		c, err := parseFile([]byte(text), "a.hcl")
		if err == nil {
			_, err = c.Config()
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("servers = \"a:1\"\nauth = [\"digest:a:@b\"]", false)
	f.Add(`{"servers": ["a:1"]}`, true)
	f.Fuzz(func(t *testing.T, text string, json bool) {
		name := "a.hcl"
		if json {
			name = "a.json"
		}
		if c, err := parseFile([]byte(text), name); err == nil {
			c.relative("/dir")
			_, _ = c.Config()
		}
	})
}

func TestFlagsRefuseSecrets(t *testing.T) {
	for s, ok := range map[string]bool{
		"digest:me:@/etc/secret": true, "digest:me:@": false, "digest:me:s3cret": false, "digest:me": false,
		"digest::@f": false, "sasl:me:@f": false, "": false, "s3cret": false,
	} {
		err := CheckFlag(s)
		if (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v shows it", s, err)
		}
	}
}
