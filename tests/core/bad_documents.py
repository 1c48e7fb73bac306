"""Documents that must be refused, each with code, place and a word of the message or help.

The numbers in the ids follow the project's catalogue of bad input.
"""

from typing import NamedTuple

HEAD = "apiVersion: holdfast.dev/v1alpha1\nkind: Project\nmetadata: {name: shop}\nspec:\n"
REQUEST = "apiVersion: holdfast.dev/v1alpha1\nkind: DeployRequest\nmetadata: {name: r}\nspec: "


class Row(NamedTuple):
    """One bad text; `mistakes` are all of it, as (code, line:column, a word of message or help)."""

    id: str
    text: str | bytes
    mistakes: tuple[tuple[str, str, str], ...]


def spec(*lines: str) -> str:
    """A project whose spec goes on with these lines: the first is line 6, two columns further right."""
    return HEAD + "  image: example.com/shop\n" + "".join(f"  {line}\n" for line in lines)


def spec_of(*lines: str) -> str:
    """A project whose spec is these lines: the first is line 5."""
    return HEAD + "".join(f"  {line}\n" for line in lines)


def stage(*fields: str) -> str:
    """A project with a port and one stage with these fields, each on a line of its own from line 8, column 7."""
    return spec(
        "port: 80", "stages: [", *[f"    {line}" for line in ("{name: dev,", *(f"{f}," for f in fields), "}")], "]"
    )


def project_named(name: str) -> str:
    """A project with this name; it stands at line 3, column 18."""
    return spec().replace("{name: shop}", "{name: " + name + "}")


def row(id: str, text: str | bytes, code: str, place: str, word: str) -> Row:
    """A text with one mistake."""
    return Row(id, text, ((code, place, word),))


READING = [
    row("003-list", "- a\n- b\n", "E0101", "1:1", "apiVersion"),
    row("004-scalar", "hello\n", "E0101", "1:1", "mapping"),
    row("006-tab", "a:\n\tb: 1\n", "E0001", "2:1", "spaces"),
    row("007-bracket", "a: [1, 2\nb: 3\n", "E0001", "2:2", "line 1, column 4"),
    row("007-open-at-the-end", "a: [\n\n\n", "E0001", "1:5", "bracket"),
    row("007-brace", "a: {b: 1\nc: 3\n", "E0001", "2:2", "line 1, column 4"),
    row("007-quotes", "a: 1\nb: 'x\nc: 1\n", "E0001", "2:4", "never closed"),
    row("007-after-quotes", "a: 'it's'\n", "E0001", "1:8", "closing quote"),
    row("007-colon", "a: b: c\n", "E0001", "1:5", "quotes"),
    row("007-at", "a: @x\n", "E0001", "1:4", "'@'"),
    row("007-backtick", "a: `x`\n", "E0001", "1:4", "'`'"),
    row("007-no-colon", "a: 1\nb\nc: 1\n", "E0001", "2:1", "name: value"),
    row("007-outdent", "a:\n    b: 1\n  c: 2\n", "E0001", "3:3", "neighbours"),
    row("007-list-in-line", "a: - b\n", "E0001", "1:4", "line of its own"),
    row("009-duplicate", spec("port: 80", "drain: 1s", "port: 81"), "E0010", "8:3", "line 6"),
    row("009-duplicate-image", spec("image: x"), "E0010", "6:3", "keep one"),
    row("011-nul", HEAD + "  image: a\0b\n", "E0003", "5:11", "remove"),
    row("011-control", HEAD + "  image: \x01\n", "E0003", "5:10", "remove"),
    row("011-escape", "a: \x1b[31m\n", "E0003", "1:4", "control"),
    row("011-bom-inside", "a: \ufeff\n", "E0003", "1:4", "control"),
    row("012-latin1", b"a: 1\nb: caf\xe9\n", "E0002", "2:7", "UTF-8"),
    row("012-utf16", "a: 1\n".encode("utf-16"), "E0002", "1:1", "UTF-8"),
    row("012-utf32", b"\xff\xfe\x00\x00a\x00\x00\x00", "E0002", "1:1", "UTF-8"),
    row("012-surrogate-text", "a: \ud800\n", "E0002", "1:4", "UTF-8"),
    row("014-nul-escape", spec('env: [{name: A, value: "\\0"}]'), "E0013", "6:26", "NUL"),
    row("020-digits", spec("port: " + "9" * 5000), "E0106", "6:9", "whole number"),
    row("021-hex", spec("port: 0x" + "f" * 20000), "E0106", "6:9", "digits only"),
    row("022-sixty", spec("port: 1" + ":59" * 2000), "E0106", "6:9", "whole number"),
    row("027-list-key", spec("? [a]", ": 1"), "E0011", "6:5", "name: value"),
    row("027-template", spec("labels: {a: {{ x }}}"), "E0011", "6:16", "quotes"),
    row("028-number-key", spec("labels: {1: x}"), "E0011", "6:12", '"1":'),
    row("028-true-key", spec("labels: {true: x}"), "E0011", "6:12", "yes/no"),
    row("028-on-key", spec("labels: {on: x}"), "E0011", "6:12", '"on":'),
    row("028-null-key", spec("labels: {null: x}"), "E0011", "6:12", "quotes"),
    row("005-directive", "%YAML 1.2\n---\n", "E0012", "1:1", "remove"),
    Row("005-tag-directive", "# x\n\n%TAG ! tag:x,2000:\n", (("E0012", "3:1", "directive"),)),
]

LAUGHS = "a: &a [x]\n" + "".join(f"b{i}: &b{i} [{', '.join(['*a'] * 9)}]\n" for i in range(9))
QUADRATIC = f"a: &a {'x' * 35_000}\nb: [{', '.join(['*a'] * 5_000)}]\n"
MERGES = "a: &a0 {x: 1}\n" + "".join(f"b{i}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}\n" for i in range(20))

BOMBS = [
    row("008-alias", "a: *x\n", "E0007", "1:4", "write the value out"),
    row("016-laughs", LAUGHS, "E0007", "1:4", "&a"),
    row("017-quadratic", QUADRATIC, "E0007", "1:4", "&a"),
    row("018-merge-bomb", MERGES, "E0007", "1:4", "&a0"),
    row("015-self", "kind: x\na: &a [*a]\n", "E0007", "2:4", "&a"),
    row("018-merge", "a: &x {b: 1}\nc:\n  <<: {b: 1}\n", "E0008", "3:3", "write the fields out"),
    row("025-python", "a: !!python/object/apply:os.system [id]\n", "E0009", "1:4", "!!python/object/apply:os.system"),
    row("026-binary", "a: !!binary aGk=\n", "E0009", "1:4", "!!binary"),
    row("026-set", "a: !!set {b, c}\n", "E0009", "1:4", "!!set"),
    row("026-local", "a: !secret x\n", "E0009", "1:4", "!secret"),
    row("019-flow", "[" * 100_000, "E0005", "1:1001", "32"),
    row("019-block", "".join(" " * i + "a:\n" for i in range(900)), "E0005", "32:32", "32"),
    row("023-size", b"a" * 50_000_000, "E0004", "1:1", "split"),
    row("024-keys", "".join(f"k{i}: v\n" for i in range(100_000)), "E0006", "10000:8", "20000"),
    row("024-documents", "---\na: 1\n" * 100_000, "E0006", "1:1", "1000"),
]
"""Texts that cost much more than they look; only the first mistake is compared."""

TYPING = [
    row("031-no", stage("domains: [no]"), "E0107", "9:17", 'in quotes: "no"'),
    row("031-off", stage("instances: [{tag: off}]"), "E0107", "9:25", 'tag: "off"'),
    row("031-argument", spec("args: [run, no]"), "E0107", "6:15", 'in quotes: "no"'),
    row("032-env", spec("env: [{name: FLAG, value: yes}]"), "E0107", "6:29", "quotes"),
    row("032-env-number", spec("env: [{name: B, value: 10}]"), "E0107", "6:26", "quotes"),
    row("033-sixty", spec("user: 22:22"), "E0107", "6:9", 'user: "22:22"'),
    row("034-octal", spec("user: 0644"), "E0107", "6:9", 'user: "0644"'),
    row("035-1.10", stage("instances: [{tag: 1.10}]"), "E0107", "9:25", 'tag: "1.10"'),
    row("035-default-tag", stage("defaultTag: 1.0"), "E0107", "9:19", 'defaultTag: "1.0"'),
    row("036-date", stage("instances: [{tag: 2024-01-01}]"), "E0107", "9:25", "date"),
    row("037-hex", stage("instances: [{tag: 0x1F}]"), "E0107", "9:25", "0x1F"),
    row("037-underscore", stage("instances: [{tag: 1_000}]"), "E0107", "9:25", "1_000"),
    row("037-int", stage("instances: [{tag: 7}]"), "E0107", "9:25", 'tag: "7"'),
    row("037-commit", stage("instances: [{tag: 1234e56}]"), "E0107", "9:25", 'tag: "1234e56"'),
    row("037-cpus", spec("resources: {cpus: 0.5}"), "E0107", "6:21", 'cpus: "0.5"'),
    row("037-duration", spec("drain: 5"), "E0112", "6:10", "drain: 5s"),
    row("038-float", stage("maxInstances: 1.5"), "E0106", "9:21", "whole number"),
    row("038-nan", stage("maxInstances: .nan"), "E0106", "9:21", "whole number"),
    row("038-inf", stage("maxInstances: .inf"), "E0106", "9:21", "whole number"),
    row("038-text", stage('maxInstances: "3"'), "E0106", "9:21", "maxInstances: 3"),
    row("038-true", stage("maxInstances: true"), "E0106", "9:21", "yes/no"),
    row("038-negative", stage("maxInstances: -1"), "E0110", "9:21", "at least 1"),
    row("038-zero", stage("maxInstances: 0"), "E0110", "9:21", "at least 1"),
    row("038-exponent", stage("maxInstances: 1e9"), "E0106", "9:21", "digits only"),
    row("038-large", stage("maxInstances: 65"), "E0110", "9:21", "at most 64"),
    row("038-bool", spec('suspend: "true"'), "E0106", "6:12", "suspend: true"),
    row("038-yes", spec("suspend: yes"), "E0106", "6:12", "true or false"),
    row("039-null", spec_of("image:"), "E0108", "5:3", "no value"),
    row("039-tilde", spec_of("image: ~"), "E0108", "5:3", "no value"),
    row("039-empty-list", stage("instances: null"), "E0108", "9:7", "instances: []"),
    row("039-optional", spec("command:"), "E0108", "6:3", "remove the line"),
    row("039-item", spec("stages: [null]"), "E0108", "6:12", "item 1 of 'stages'"),
    row("040-env-null", spec("env: [{name: A, value: }]"), "E0108", "6:19", "no value"),
    row("041-env-list", spec("env: [{name: A, value: [a]}]"), "E0106", "6:19", "text"),
    row("041-env-map", spec("env: {A: b}"), "E0106", "6:3", "list"),
    row("041-labels-list", spec("labels: [a]"), "E0106", "6:3", "mapping"),
    row("041-label-number", spec("labels: {a: 1}"), "E0107", "6:15", '"1"'),
    row("041-spec-list", HEAD.replace("spec:", "spec: []"), "E0106", "4:1", "mapping"),
    row("041-stage-text", spec("stages: [dev]"), "E0106", "6:12", "mapping"),
    row("041-metadata", spec().replace("{name: shop}", "shop"), "E0106", "3:11", "mapping"),
]

NAMES = [
    row("042-empty", project_named('""'), "E0112", "3:18", "letters"),
    row("043-dash", project_named("-x"), "E0112", "3:18", "name: x"),
    row("044-slash", project_named("a/b"), "E0112", "3:18", "a-b"),
    row("044-up", project_named("../x"), "E0112", "3:18", "letters"),
    row("045-long", project_named("a" * 300), "E0111", "3:18", "40"),
    row("045-41", project_named("a" * 41), "E0111", "3:18", "40"),
    row("046-homoglyph", project_named("w\u0435b"), "E0112", "3:18", "letters"),
    row("047-upper", project_named("Shop"), "E0112", "3:18", "name: shop"),
    row("051-dots", project_named(".."), "E0112", "3:18", "letters"),
    row("052-newline", project_named('"a\\nb"'), "E0112", "3:18", "\\u000a"),
    row("052-trailing-newline", project_named('"a\\n"'), "E0112", "3:18", "\\u000a"),
    row("052-ansi", project_named('"\\e[31mx"'), "E0112", "3:18", "\\u001b"),
    row("052-rtl", project_named('"a\\u202eb"'), "E0112", "3:18", "\\u202e"),
    row("052-script", project_named('"<script>"'), "E0112", "3:18", "<script>"),
    row("010-case", stage("host: Home-1"), "E0112", "9:13", "home-1"),
    row("048-stage", spec('stages: [{name: "a b"}]'), "E0112", "6:19", "a-b"),
    row("049-two-stages", spec("stages: [{name: dev}, {name: dev}]"), "E0201", "6:32", "'dev'"),
    row("050-request", REQUEST + "{project: Shop, stage: dev, tag: v1}", "E0112", "4:17", "project: shop"),
    row("042-name-missing", spec().replace("{name: shop}", "{}"), "E0105", "3:1", "'name'"),
]

IMAGES = [
    row("053-missing", spec_of("port: 80"), "E0105", "4:1", "'image'"),
    row("054-upper", spec_of("image: T/Web:v1"), "E0112", "5:10", "t/web"),
    row("055-colon", spec_of('image: "web:"'), "E0112", "5:10", "image: web"),
    row("055-tag", spec_of("image: example.com/web:1.0"), "E0112", "5:10", "image: example.com/web"),
    row("056-bad-tag", spec_of("image: web:bad tag"), "E0112", "5:10", "image: web"),
    row("056-tag-blank", stage('instances: [{tag: "bad tag"}]'), "E0112", "9:25", "image tag"),
    row("057-long-tag", stage("instances: [{tag: " + "a" * 129 + "}]"), "E0111", "9:25", "128"),
    row("058-digest", spec_of('image: "web@sha256:00"'), "E0112", "5:10", "image: web"),
    row("059-both", spec_of("image: web:1@sha256:00"), "E0112", "5:10", "image: web"),
    row("060-option", spec_of("image: --privileged"), "E0112", "5:10", "repository"),
    row("061-scheme", spec_of("image: http://host.example/img"), "E0112", "5:10", "image: host.example/img"),
    row("062-port", spec_of("image: host:99999/img"), "E0110", "5:10", "65535"),
    row("063-up", spec_of("image: ../y"), "E0112", "5:10", "repository"),
    row("066-regex-tag", stage('instances: [{tag: "(a+)+$"}]'), "E0112", "9:25", "image tag"),
    row("068-platform", spec("platform: linux/riscv9"), "E0104", "6:3", "use "),
]

NETWORK = [
    row("070-zero", spec("port: 0"), "E0110", "6:9", "at least 1"),
    row("070-negative", spec("port: -1"), "E0110", "6:9", "at least 1"),
    row("070-65536", spec("port: 65536"), "E0110", "6:9", "at most 65535"),
    row("070-letters", spec("port: 80a"), "E0106", "6:9", "whole number"),
    row("070-range", spec("port: 80-70"), "E0106", "6:9", "whole number"),
    row("070-quoted", spec('port: "80"'), "E0106", "6:9", "port: 80"),
    row("071-ports", spec("ports: [80/foo]"), "E0104", "6:3", "'port'"),
    row("076-network", spec("network: host"), "E0104", "6:3", "use "),
    row("079-empty", stage('domains: [""]'), "E0112", "9:17", "hostname"),
    row("079-star", stage('domains: ["*"]'), "E0112", "9:17", "wildcard"),
    row("079-star-dot", stage('domains: ["*.example.com"]'), "E0112", "9:17", "wildcard"),
    row("079-dots", stage("domains: [a..b]"), "E0112", "9:17", "hostname"),
    row("079-dash", stage("domains: [-a.example.com]"), "E0112", "9:17", "hostname"),
    row("079-label", stage(f"domains: [{'a' * 64}.example.com]"), "E0112", "9:17", "hostname"),
    row("079-long", stage(f"domains: [{'a.' * 127}de]"), "E0111", "9:17", "253"),
    row("080-scheme", stage("domains: [https://Shop.example.com/x]"), "E0112", "9:17", "write shop.example.com"),
    row("080-port", stage('domains: ["shop.example.com:80"]'), "E0112", "9:17", "write shop.example.com"),
    row("081-address", stage("domains: [10.0.0.1]"), "E0112", "9:17", "hostname"),
    row("082-unicode", stage("domains: [b\u00fccher.example]"), "E0112", "9:17", "xn--"),
    row("083-dot", stage("domains: [shop.example.com.]"), "E0112", "9:17", "shop.example.com"),
    row("083-case", stage("domains: [Shop.example.com]"), "E0112", "9:17", "shop.example.com"),
    row("084-twice", stage("domains: [a.example.com, a.example.com]"), "E0201", "9:32", "already"),
    Row(
        "084-two-stages",
        spec("port: 80", "stages:", "  - {name: a, domains: [x.example]}", "  - {name: b, domains: [x.example]}"),
        (("E0201", "9:27", "stage 'a'"),),
    ),
    row("086-semicolon", stage('domains: ["a.com; return 200"]'), "E0112", "9:17", "hostname"),
    row("086-dollar", stage("domains: [$host]"), "E0112", "9:17", "hostname"),
    row("086-placeholder", stage('domains: ["{env.SECRET}"]'), "E0112", "9:17", "hostname"),
    row("086-newline", stage('domains: ["a.com\\nb"]'), "E0112", "9:17", "\\u000a"),
    row("087-domain-without-port", spec("stages: [{name: dev, domains: [a.example]}]"), "E0204", "6:24", "port"),
]

HEALTH = [
    row("087-path", spec("port: 80", "healthCheck: {path: healthz}"), "E0112", "7:23", "beginning with /"),
    row("089-url", spec("port: 80", "healthCheck: {path: http://169.254.169.254/}"), "E0112", "7:23", "URL"),
    row("090-double-slash", spec("port: 80", "healthCheck: {path: //evil.com/}"), "E0112", "7:23", "own address"),
    row("090-fragment", spec("port: 80", 'healthCheck: {path: "/#x"}'), "E0112", "7:23", "path"),
    row("091-crlf", spec("port: 80", 'healthCheck: {path: "/x\\r\\nHost: y"}'), "E0112", "7:23", "path"),
    row("093-codes", spec("port: 80", 'healthCheck: {statuses: "99-600"}'), "E0112", "7:27", "200-399"),
    row("093-list", spec("port: 80", "healthCheck: {statuses: [200]}"), "E0106", "7:17", "text"),
    row("093-word", spec("port: 80", "healthCheck: {statuses: 2xx-}"), "E0112", "7:27", "status codes"),
    row("093-backwards", spec("port: 80", "healthCheck: {statuses: 399-200}"), "E0110", "7:27", "200-399"),
    row("093-number", spec("port: 80", "healthCheck: {statuses: 200}"), "E0107", "7:27", '"200"'),
    row("094-zero", spec("port: 80", "healthCheck: {interval: 0s}"), "E0110", "7:27", "1ms"),
    row("094-negative", spec("port: 80", "healthCheck: {interval: -1s}"), "E0112", "7:27", "duration"),
    row("094-long", spec("port: 80", "healthCheck: {timeout: 1000000000s}"), "E0110", "7:26", "year"),
    row("094-unit", spec("port: 80", "healthCheck: {timeout: 10 seconds}"), "E0112", "7:26", "timeout: 10s"),
    row("094-deadline", spec("progressDeadline: 0s"), "E0110", "6:21", "1s"),
    row("094-retries", spec("port: 80", "healthCheck: {retries: 0}"), "E0110", "7:26", "at least 1"),
    row("095-body", spec("port: 80", "healthCheck: {body: (a+)+$}"), "E0104", "7:17", "use "),
    row("097-no-port", spec("healthCheck: {type: http}"), "E0204", "6:23", "needs a port"),
    row("097-tcp", spec("stages: [{name: a, healthCheck: {type: tcp}}]"), "E0204", "6:42", "needs a port"),
    row("097-path", spec("healthCheck: {path: /healthz}"), "E0204", "6:17", "no effect without a port"),
    row("097-statuses", spec('stages: [{name: a, healthCheck: {statuses: "200"}}]'), "E0204", "6:36", "add 'port'"),
    row("097-tcp-path", spec("port: 80", "healthCheck: {type: tcp, path: /x}"), "E0207", "7:28", "remove"),
    row("097-none-port", spec("healthCheck: {type: none, port: 80}"), "E0207", "6:29", "type: none"),
    row("098-exec", spec("healthCheck: {command: [sh]}"), "E0104", "6:17", "belongs to spec"),
    row("098-type", spec("port: 80", "healthCheck: {type: https}"), "E0109", "7:23", "'http'"),
]

CONTAINERS = [
    row("099-equals", spec("env: [{name: A=B, value: x}]"), "E0112", "6:16", "variable"),
    row("099-empty", spec('env: [{name: "", value: x}]'), "E0112", "6:16", "variable"),
    row("099-newline", spec('env: [{name: "A\\nB", value: x}]'), "E0112", "6:16", "\\u000a"),
    row("099-digit", spec("env: [{name: 1A, value: x}]"), "E0112", "6:16", "digit"),
    row("099-twice", spec("env: [{name: A, value: x}, {name: A, value: z}]"), "E0201", "6:37", "'A'"),
    row("100-large", spec("env: [{name: A, value: " + "x" * 32_769 + "}]"), "E0111", "6:26", "32768"),
    row(
        "100-total",
        spec("env:", *[f"  - {{name: A{i}, value: {'x' * 32_000}}}" for i in range(5)]),
        "E0208",
        "6:3",
        "131072",
    ),
    row("102-neither", spec("env: [{name: A}]"), "E0114", "6:9", "exactly one"),
    row(
        "102-both", spec("env: [{name: A, value: x, valueFrom: {file: /run/secrets/a}}]"), "E0114", "6:9", "exactly one"
    ),
    row("102-no-source", spec("env: [{name: A, valueFrom: {}}]"), "E0114", "6:19", "'file'"),
    row(
        "102-two-sources",
        spec("env: [{name: A, valueFrom: {file: /a, env: HOLDFAST_SECRET_A}}]"),
        "E0114",
        "6:19",
        "one",
    ),
    row("102-variable", spec("env: [{name: A, valueFrom: {env: PATH}}]"), "E0112", "6:36", "HOLDFAST_SECRET_"),
    row("102-up", spec("env: [{name: A, valueFrom: {file: /run/secrets/../x}}]"), "E0206", "6:37", "'..'"),
    row("102-sops", spec("env: [{name: A, valueFrom: {sops: x}}]"), "E0113", "6:31", "file or env"),
    row("102-key-ref", spec("env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}]"), "E0113", "6:31", "file"),
    row("105-root", spec("volumes: [{name: a, mountPath: /}]"), "E0206", "6:34", "/data"),
    row("105-proc", spec("volumes: [{name: a, mountPath: /proc/1}]"), "E0206", "6:34", "/proc/1"),
    row("106-relative", spec("volumes: [{name: a, mountPath: rel}]"), "E0112", "6:34", "absolute"),
    row("106-host-relative", spec("volumes: [{name: a, mountPath: /x, hostPath: rel}]"), "E0112", "6:48", "absolute"),
    row("107-up", spec("volumes: [{name: a, mountPath: /x, hostPath: /srv/../etc}]"), "E0206", "6:48", "'..'"),
    row("107-mount-up", spec("volumes: [{name: a, mountPath: /x/../y}]"), "E0206", "6:34", "'..'"),
    row("109-colon", spec('volumes: [{name: a, mountPath: "/x:rw,foo"}]'), "E0112", "6:34", "absolute"),
    row("109-twice", spec("volumes: [{name: a, mountPath: /x}, {name: a, mountPath: /y}]"), "E0201", "6:46", "'a'"),
    row(
        "109-path-twice", spec("volumes: [{name: a, mountPath: /x}, {name: b, mountPath: /x/}]"), "E0201", "6:60", "/x"
    ),
    row("110-options", spec("volumes: [{name: a, mountPath: /x, driver_opts: {}}]"), "E0104", "6:38", "use "),
    row("111-memory-small", spec('resources: {memory: "1"}'), "E0110", "6:23", "6Mi"),
    row("111-memory-5Mi", spec("resources: {memory: 5Mi}"), "E0110", "6:23", "6Mi"),
    row("111-memory-negative", spec('resources: {memory: "-1"}'), "E0112", "6:23", "256Mi"),
    row("111-memory-unit", spec("resources: {memory: 10X}"), "E0112", "6:23", "256Mi"),
    row("111-memory-mb", spec("resources: {memory: 256MB}"), "E0112", "6:23", "memory: 256Mi"),
    row("111-cpus-zero", spec('resources: {cpus: "0"}'), "E0110", "6:21", "at least 0.01"),
    row("111-cpus-below-the-kernel's", spec("resources: {cpus: 9m}"), "E0110", "6:21", "at least 0.01"),
    row("111-cpus-none-at-all", spec('resources: {cpus: "0.00000001"}'), "E0110", "6:21", "at least 0.01"),
    row("111-cpus-negative", spec('resources: {cpus: "-1"}'), "E0112", "6:21", "processors"),
    row("111-cpus-large", spec('resources: {cpus: "1000000"}'), "E0110", "6:21", "1024"),
    row("111-cpus-nan", spec('resources: {cpus: "nan"}'), "E0112", "6:21", "processors"),
    row("111-user-negative", spec('user: "-1"'), "E0110", "6:9", "0 to 2147483647"),
    row("111-user-large", spec('user: "0:2147483648"'), "E0110", "6:9", "2147483648 is not the number"),
    row("111-user-huge", spec('user: "' + "9" * 50 + '"'), "E0110", "6:9", "or a name"),
    row("112-ulimits", spec("ulimits: {nofile: 1}"), "E0104", "6:3", "use "),
    row("113-restart", spec("restart: sometimes"), "E0104", "6:3", "use "),
    row("114-depends", spec("depends_on: [a]"), "E0104", "6:3", "use "),
    row("115-privileged", spec("privileged: true"), "E0104", "6:3", "use "),
    row("115-cap-add", spec("cap_add: [ALL]"), "E0104", "6:3", "use "),
    row("115-pid", spec("pid: host"), "E0104", "6:3", "use "),
    row("116-typo", spec("startegy: BlueGreen"), "E0104", "6:3", "'strategy'"),
    row("116-snake", stage("max_instances: 3"), "E0104", "9:7", "'maxInstances'"),
    row("116-compose", spec("environment: {A: b}"), "E0104", "6:3", "'env'"),
    row("116-elsewhere", stage("volumes: []"), "E0104", "9:7", "belongs to spec"),
    row("116-replicas", spec("replicas: 3"), "E0104", "6:3", "spec.stages"),
    row("116-case", spec("Port: 80"), "E0104", "6:3", "'port'"),
    row("116-top", spec() + "status: {}\n", "E0104", "6:1", "use "),
    row("116-invisible", spec('"port\\u200b": 80'), "E0104", "6:3", "\\u200b"),
    row("117-prefix", spec("labels: {holdfast.dev/stage: x}"), "E0205", "6:12", "prefix"),
    row("117-prefix-case", spec("labels: {Holdfast.dev/stage: x}"), "E0205", "6:12", "prefix"),
    row("117-key", spec('labels: {"a b": x}'), "E0112", "6:12", "key"),
    row("118-negative", spec("stopGracePeriod: -1s"), "E0112", "6:20", "duration"),
    row("118-long", spec("stopGracePeriod: 1000000000s"), "E0110", "6:20", "year"),
    row("118-command", spec("command: []"), "E0111", "6:3", "at least 1"),
    row("118-command-text", spec("command: ./run"), "E0106", "6:12", "list"),
    row("118-args", spec("args: [" + "a, " * 129 + "]"), "E0111", "6:3", "128"),
    row("118-strategy", spec("strategy: bluegreen"), "E0109", "6:13", "'BlueGreen'"),
    row("118-user", spec('user: "a b"'), "E0112", "6:9", "1000:1000"),
    row("118-pre-deploy", spec("preDeploy: {command: [a], timeout: 0s}"), "E0110", "6:38", "1ms"),
]

DOCUMENTS = [
    row("140-no-kind", "apiVersion: holdfast.dev/v1alpha1\n", "E0103", "1:1", "kind: Project"),
    row("140-no-version", spec().replace("apiVersion: holdfast.dev/v1alpha1\n", ""), "E0102", "1:1", "v1alpha1"),
    row("140-kind", "apiVersion: holdfast.dev/v1alpha1\nkind: project\n", "E0103", "2:7", "'Project'"),
    row("140-foreign", "apiVersion: holdfast.dev/v1alpha1\nkind: Deployment\n", "E0103", "2:7", "Project"),
    row("140-version", spec().replace("v1alpha1", "v1"), "E0102", "1:13", "'holdfast.dev/v1alpha1'"),
    row("140-kind-list", "apiVersion: holdfast.dev/v1alpha1\nkind: [Project]\n", "E0103", "2:1", "Project"),
    row("140-no-spec", HEAD.replace("spec:\n", ""), "E0105", "1:1", "'spec'"),
    row("140-empty-spec", HEAD, "E0108", "4:1", "no value"),
    row("140-request", REQUEST + "{project: shop, stage: dev}\n", "E0105", "4:1", "'tag'"),
    row("140-request-tag", REQUEST + "{project: shop, stage: dev, tag: 1.10}\n", "E0107", "4:40", '"1.10"'),
    row("140-no-time", REQUEST.replace("{name: r}", "{name: r, creationTimestamp: today}")
        + "{project: a, stage: b, tag: c}\n", "E0112", "3:40", "2026-01-01T00:00:00Z"),
    row("140-item-of-text", stage("instances: [a]"), "E0106", "9:19", "item 1 of 'instances' must be a mapping"),
    row("140-request-ttl", REQUEST + "{project: a, stage: b, tag: c, ttl: 0s}\n", "E0110", "4:43", "1ms"),
    row("140-request-field", REQUEST + "{project: a, stage: b, tag: c, tagg: c}\n", "E0104", "4:38", "'tag'"),
    row("140-recreate", spec("volumes: [{name: a, mountPath: /x}]", "stages: [{name: d, maxInstances: 2}]"),
        "E0202", "7:36", "BlueGreen"),
    row("140-written-recreate", stage("strategy: Recreate", "maxInstances: 2"), "E0202", "10:21", "never overlap"),
    row("140-ttl", stage("defaultTag: v1", "instances: [{tag: v1, ttl: 1h}]"), "E0203", "10:34", "remove the ttl"),
    row("140-many-instances", stage("instances: [" + "{tag: a}, " * 65 + "]"), "E0111", "9:7", "64"),
    row("140-many-stages", spec("stages:", *[f"  - {{name: s{i}}}" for i in range(33)]), "E0111", "6:3", "32"),
    Row(
        "140-many-at-once",
        spec_of("imgae: a", "port: 0", "drain: 1", "stages: [{name: A}]"),
        (
            ("E0105", "4:1", "'image'"),
            ("E0104", "5:3", "'image'"),
            ("E0110", "6:9", "at least 1"),
            ("E0112", "7:10", "drain: 1s"),
            ("E0112", "8:19", "name: a"),
        ),
    ),
    Row(
        "140-each-document",
        "a: [\n---\n" + spec("port: 0") + "---\n" + REQUEST + "{project: a, stage: b, tag: 1.0}\n",
        (("E0001", "1:5", "bracket"), ("E0110", "8:9", "at least 1"), ("E0107", "13:35", '"1.0"')),
    ),
]  # fmt: skip

TABLE: tuple[Row, ...] = (*READING, *TYPING, *NAMES, *IMAGES, *NETWORK, *HEALTH, *CONTAINERS, *DOCUMENTS)
