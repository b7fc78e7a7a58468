// Package deploy_test holds the files that run funnel to what funnel really is:
// its settings, its metrics, its ports. There is no Docker where the tests run,
// so that they read what Docker would.
package deploy_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/go-databuffer/databuffer/examples/funnel/load"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// compose is what the tests look at of compose.yaml.
type compose struct {
	Services map[string]container
	Secrets  map[string]struct{ Environment, File string }
	Volumes  map[string]any
}

type container struct {
	Image       string
	Profiles    []string
	Build       struct{ Context, Dockerfile string }
	Ports       []string
	Environment map[string]string
	Volumes     []string
	Secrets     []string
	Command     []string
	DependsOn   yaml.Node `yaml:"depends_on"`
	Deploy      struct{ Replicas int }
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	readYAML(t, "../compose.yaml", &c)
	return c
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, into), path)
}

func TestComposeHasItsProfiles(t *testing.T) {
	services := map[string][]string{}
	for name, s := range readCompose(t).Services {
		require.Len(t, s.Profiles, 1, "%s is in no profile, and would always run", name)
		services[s.Profiles[0]] = append(services[s.Profiles[0]], name)
	}
	assert.ElementsMatch(t, []string{"funnel"}, services["core"])
	assert.ElementsMatch(t, []string{"funnel-kafka", "kafka", "mongo"}, services["kafka"])
	assert.ElementsMatch(t, []string{"load"}, services["loadtest"])
	assert.ElementsMatch(t, []string{"prometheus", "grafana"}, services["monitoring"])
	assert.Len(t, services, 4)
}

// Every variable is one that funnel reads, and its value one that funnel takes:
// funnel refuses to start with a bad one, but an unknown one it cannot see.
func TestComposeSetsWhatThereIs(t *testing.T) {
	known := map[string]*flag.Flag{}
	settings.Flags(new(settings.Settings)).VisitAll(func(f *flag.Flag) { known[settings.Variable(settings.Prefix, f.Name)] = f })
	c := readCompose(t)
	for _, name := range []string{"funnel", "funnel-kafka"} {
		env := c.Services[name].Environment
		assert.NotEmpty(t, env)
		for variable, value := range env {
			if assert.Contains(t, known, variable, name) && !strings.Contains(value, "$") {
				assert.NoError(t, known[variable].Value.Set(value), variable)
			}
		}
		assert.Equal(t, "0.0.0.0:8080", env["FUNNEL_LISTEN"], "loopback in a container reaches nobody")

		// Altogether they are settings that funnel starts with, once the token
		// is there.
		token := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600))
		_, err := settings.Parse(nil, func(variable string) (string, bool) {
			if variable == "FUNNEL_TOKEN_FILE" {
				return token, true
			}
			value, ok := env[variable]
			return value, ok
		})
		assert.NoError(t, err, name)
	}
}

func TestComposeSetsWhatTheLoadReads(t *testing.T) {
	known := map[string]bool{}
	load.Flags(new(load.Settings)).VisitAll(func(f *flag.Flag) { known[settings.Variable(load.Prefix, f.Name)] = true })
	env := readCompose(t).Services["load"].Environment
	assert.NotEmpty(t, env)
	for variable := range env {
		assert.True(t, known[variable], variable)
	}
}

// What a service names of the others is there.
func TestComposeHoldsTogether(t *testing.T) {
	c := readCompose(t)
	pinned := regexp.MustCompile(`:v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z]+)?$`)
	used := map[string]bool{}
	for name, s := range c.Services {
		if s.Build.Dockerfile == "" {
			assert.Regexp(t, pinned, s.Image, "%s has no fixed version", name)
		} else {
			assert.FileExists(t, filepath.Join("..", s.Build.Context, s.Build.Dockerfile))
		}
		for _, port := range s.Ports {
			assert.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s publishes %s to everyone", name, port)
		}
		for _, secret := range s.Secrets {
			assert.Contains(t, c.Secrets, secret, name)
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(from, "./") {
				_, err := os.Stat(filepath.Join("..", from))
				assert.NoError(t, err, name)
				continue
			}
			assert.Contains(t, c.Volumes, from, name)
			used[from] = true
		}
		for _, other := range dependencies(s.DependsOn) {
			assert.Contains(t, c.Services, other, name)
			assert.Equal(t, s.Profiles, c.Services[other].Profiles, "%s waits for %s, which is in another profile", name, other)
		}
	}
	for volume := range c.Volumes {
		assert.True(t, used[volume], "nobody uses the volume %s", volume)
	}
	kafka := c.Services["funnel-kafka"]
	assert.Greater(t, kafka.Deploy.Replicas, 1, "a group of one shows nothing")
	first, last, ok := strings.Cut(regexp.MustCompile(`:([0-9-]+):8080`).FindStringSubmatch(kafka.Ports[0])[1], "-")
	assert.True(t, ok && first < last, "two processes need two ports")
	assert.Equal(t, []string{"load"}, c.Services["load"].Command)
}

func dependencies(node yaml.Node) (names []string) {
	for i, child := range node.Content {
		if node.Kind == yaml.SequenceNode || i%2 == 0 {
			names = append(names, child.Value)
		}
	}
	return names
}

func TestDockerfile(t *testing.T) {
	content, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	var froms []string
	said := map[string]string{}
	for line := range strings.Lines(string(content)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "FROM" {
			froms = append(froms, rest)
		}
		said[word] = rest // the last one of each, which is that of the last stage
	}
	require.Len(t, froms, 2)
	image := regexp.MustCompile(`^golang:([0-9]+\.[0-9]+)\.[0-9]+-[a-z]+ AS build$`).FindStringSubmatch(froms[0])
	require.NotEmpty(t, image, froms[0])
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	assert.Contains(t, string(mod), "\ngo "+image[1]+".", "the image builds with another Go than go.mod asks for")
	assert.Equal(t, "scratch", froms[1])
	assert.Contains(t, string(content), "CGO_ENABLED=0", "there is no C library in scratch")
	assert.Regexp(t, `^[1-9][0-9]*:[1-9][0-9]*$`, said["USER"], "by number, as scratch has no names; and not root")
	assert.Equal(t, `["/funnel"]`, said["ENTRYPOINT"])
	assert.Equal(t, "8080", said["EXPOSE"])

	// All that the build needs of the library is let through.
	ignore, err := os.ReadFile("../Dockerfile.dockerignore")
	require.NoError(t, err)
	entries, err := os.ReadDir("../../..")
	require.NoError(t, err)
	for _, entry := range entries {
		files, err := filepath.Glob(filepath.Join("../../..", entry.Name(), "*.go"))
		require.NoError(t, err)
		imported := len(files) > 0 && entry.Name() != "tests" && entry.Name() != "tools" && entry.Name() != "buffertest" &&
			entry.Name() != "benchmarks" && entry.Name() != "scripts"
		if imported {
			assert.Contains(t, string(ignore), "\n!"+entry.Name()+"\n", "the library's package is left out of the build")
		}
	}
}
