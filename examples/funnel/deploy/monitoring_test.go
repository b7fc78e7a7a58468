package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// board is what the tests look at of the Grafana board.
type board struct {
	UID        string
	Panels     []panel
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

type panel struct {
	ID          int
	Title, Type string
	Datasource  struct{ UID string }
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
}

func readBoard(t *testing.T) board {
	t.Helper()
	content, err := os.ReadFile("grafana/dashboards/funnel.json")
	require.NoError(t, err)
	var b board
	require.NoError(t, json.Unmarshal(content, &b))
	return b
}

type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readRules(t *testing.T) rules {
	t.Helper()
	var r rules
	readYAML(t, "prometheus/rules.yml", &r)
	return r
}

// The board and the rules ask for metrics, and labels, that a funnel exposes:
// what they misspell would be an empty panel, and an alert that never comes.
func TestMetricsAreThoseThatFunnelHas(t *testing.T) {
	families := scrape(t)
	maps.Copy(families, kafkaFamilies(t))
	metrics, labels := names(families)
	b := readBoard(t)
	require.GreaterOrEqual(t, len(b.Panels), 12)
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			check(t, p.Title, target.Expr, metrics, labels)
			for _, m := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				assert.True(t, labels[m[1]], "%s: the legend names %s", p.Title, m[1])
				assert.Contains(t, target.Expr, m[1], "%s: the legend names %s, which is not there any more", p.Title, m[1])
			}
		}
	}
	for _, v := range b.Templating.List {
		check(t, v.Name, v.Definition, metrics, labels)
	}
	alerts := 0
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			alerts++
			check(t, r.Alert, r.Expr, metrics, labels)
			assert.NotEmpty(t, r.Labels["severity"], r.Alert)
			assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
			assert.NotEmpty(t, r.Annotations["description"], r.Alert)
		}
	}
	assert.Equal(t, 5, alerts)
}

// words of an expression that are neither a metric nor a label of ours.
var language = regexp.MustCompile(`^(sum|rate|increase|max|by|le|or|vector|histogram_quantile|label_values|instance|job|up)$`)

func check(t *testing.T, where, expr string, metrics, labels map[string]bool) {
	t.Helper()
	require.NotEmpty(t, expr, where)
	plain := regexp.MustCompile(`"[^"]*"|\[[^\]]*\]`).ReplaceAllString(expr, "")
	for _, word := range regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*`).FindAllString(plain, -1) {
		if !language.MatchString(word) && !metrics[word] && !labels[word] {
			assert.Fail(t, "unknown", "%s: there is no metric or label %s in %s", where, word, expr)
		}
	}
	for _, open := range []string{"()", "{}", "[]"} {
		assert.Equal(t, strings.Count(expr, open[:1]), strings.Count(expr, open[1:]), expr)
	}
}

func TestBoardFitsTogether(t *testing.T) {
	b := readBoard(t)
	var sources struct {
		Datasources []struct{ UID, Type, URL string }
	}
	readYAML(t, "grafana/provisioning/datasources/prometheus.yml", &sources)
	require.Len(t, sources.Datasources, 1)
	assert.Equal(t, "http://prometheus:9090", sources.Datasources[0].URL)
	assert.Contains(t, readCompose(t).Services, "prometheus")

	ids := map[int]bool{}
	taken := map[string]string{}
	for _, p := range b.Panels {
		assert.False(t, ids[p.ID], "%s has the number of another panel", p.Title)
		ids[p.ID] = true
		assert.NotEmpty(t, p.Title)
		assert.Equal(t, sources.Datasources[0].UID, p.Datasource.UID, p.Title)
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				place := fmt.Sprint(p.GridPos.X+x, p.GridPos.Y+y)
				assert.Empty(t, taken[place], "%s lies over another panel", p.Title)
				taken[place] = p.Title
			}
		}
	}

	// Grafana finds the board where compose.yaml puts it.
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, "grafana/provisioning/dashboards/funnel.yml", &providers)
	grafana := readCompose(t).Services["grafana"]
	assert.Contains(t, grafana.Volumes, "./deploy/grafana/dashboards:"+providers.Providers[0].Options.Path+":ro")
	assert.Equal(t, providers.Providers[0].Options.Path+"/funnel.json", grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
}

func TestPrometheusFindsFunnel(t *testing.T) {
	var config struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName     string            `yaml:"job_name"`
			MetricsPath string            `yaml:"metrics_path"`
			Auth        map[string]string `yaml:"authorization"`
			DNS         []struct {
				Names []string
				Type  string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus/prometheus.yml", &config)
	require.Len(t, config.ScrapeConfigs, 1)
	scrape := config.ScrapeConfigs[0]
	assert.Equal(t, "/metrics", scrape.MetricsPath)
	assert.Equal(t, "/run/secrets/funnel_token", scrape.Auth["credentials_file"])
	c := readCompose(t)
	assert.Contains(t, c.Services["prometheus"].Secrets, "funnel_token")
	require.Len(t, scrape.DNS, 1)
	assert.Equal(t, 8080, scrape.DNS[0].Port)
	for _, name := range scrape.DNS[0].Names {
		assert.Contains(t, c.Services[name].Environment["FUNNEL_LISTEN"], ":8080", name)
	}
	for _, file := range config.RuleFiles {
		assert.FileExists(t, filepath.Join("prometheus", file))
	}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if _, job, ok := strings.Cut(r.Expr, `job="`); ok {
				assert.True(t, strings.HasPrefix(job, scrape.JobName+`"`), r.Alert)
			}
		}
	}
}

// Where Prometheus' own tool is, it says what it thinks of the rules.
func TestPromtoolAgrees(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; it comes with Prometheus")
	}
	out, err := exec.Command(tool, "check", "rules", "prometheus/rules.yml").CombinedOutput()
	assert.NoError(t, err, string(out))
	out, err = exec.Command(tool, "check", "config", "--syntax-only", "prometheus/prometheus.yml").CombinedOutput()
	assert.NoError(t, err, string(out))
}

// MongoDB's script makes the user that compose.yaml has funnel log in as.
func TestMongoScriptMakesTheUser(t *testing.T) {
	content, err := os.ReadFile("mongo/init.js")
	require.NoError(t, err)
	script := string(content)
	c := readCompose(t)
	uri := c.Services["funnel-kafka"].Environment["FUNNEL_MONGO"]
	m := regexp.MustCompile(`^mongodb://(\w+):\$\{(\w+):-\}@(\w+):27017/\?authSource=(\w+)$`).FindStringSubmatch(uri)
	require.NotEmpty(t, m, uri)
	assert.Contains(t, script, `user: "`+m[1]+`"`)
	assert.Contains(t, script, "process.env."+m[2])
	assert.Contains(t, c.Services[m[3]].Environment, m[2])
	assert.Contains(t, script, `getSiblingDB("`+m[4]+`")`)
	assert.Contains(t, script, `db: "`+c.Services["funnel-kafka"].Environment["FUNNEL_MONGO_DATABASE"]+`"`)
	if node, err := exec.LookPath("node"); err == nil {
		out, err := exec.Command(node, "--check", "mongo/init.js").CombinedOutput()
		assert.NoError(t, err, string(out))
	}
}
