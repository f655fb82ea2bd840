"""Policies with traps at the very places that are edited, each merge held against a merge of plain data.

The data are read by PyYAML (YAML 1.1) and by ruamel.yaml (YAML 1.2), none of it by our own reader.
"""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from wizard.errors import InputError
from wizard.policy import FUSE_RESOURCE, PolicyDocument, merge_podman

HEAD = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'


def kubernetes(text: str, end: str = "\n") -> str:
    lines = text.strip("\n").split("\n")
    return HEAD + "\n".join(f"      {line}" if line else "" for line in lines) + end


TRAPS: dict[str, str] = {
    "anchor on kubernetes unused": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes: &k\n      cpu: {policy: read}\n'
    ),
    "merge key in value": (
        'x-res: &res {a/b: "1"}\nversion: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      resource-requests:\n        policy: append\n        value:\n          <<: *res\n"
        '          c/d: "2"\n      resource-limits:\n        policy: append\n'
        '        value: {<<: *res, c/d: "2"}\n'
    ),
    "merge key list in value": (
        'x-a: &a {a/b: "1"}\nx-b: &b {e/f: "1"}\nversion: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      resource-requests:\n        policy: append\n        value:\n          <<: [*a, *b]\n"
        "      resource-limits:\n        policy: append\n        value:\n          <<: [*a, *b]\n"
    ),
    "fuse from merge key": (
        'x-a: &a {smarter-devices/fuse: "1"}\nversion: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      resource-requests:\n        policy: append\n        value:\n          <<: *a\n"
        "      resource-limits:\n        policy: append\n        value:\n          <<: *a\n"
        '          a/b: "2"\n'
    ),
    "fuse count anchor": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: append\n        value:\n          smarter-devices/fuse: &n "1"\n'
        "      resource-limits:\n        policy: append\n        value:\n"
        "          smarter-devices/fuse: *n\n"
    ),
    "word anchor": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpu: {policy: &w write}\n'
        "      resource-requests:\n        policy: *w\n        value: {}\n      resource-limits:\n"
        "        policy: *w\n"
    ),
    "anchor own line": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        &r\n'
        '        policy: read\n        value:\n          &q\n          a/b: "1"\n'
    ),
    "two merge keys": (
        'x-a: &a {a/b: "1"}\nx-b: &b {c/d: "1"}\nversion: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      resource-requests:\n        policy: append\n        value:\n          <<: *a\n"
        "          <<: *b\n"
    ),
    "quoted <<": kubernetes('resource-requests:\n  policy: append\n  value:\n    "<<": {a: b}'),
    "list anchored in removed": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      tolerations: {policy: read, value: [&t {key: a}]}\n"
        "      node-selector: {policy: read, value: [*t]}\n"
    ),
    "comment between key and value": (
        'version: "0.2"\nworkspace:\n  # a\n  specs:\n    # b\n    kubernetes:\n      # c\n\n      # d\n'
    ),
    "comment between key and value seq": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:   # x\n\n'
        "        # y\n\n        policy:\n          # why\n          read\n        value:\n"
        '          # why2\n\n          a/b:\n            # hm\n            "1"\n          # tail\n'
    ),
    "fuse value next line": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: read\n        value:\n          smarter-devices/fuse:\n            # count\n"
        '            "2"   # two\n'
    ),
    "odd indents after last": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: read\n        value:\n          a/b: "1"\n                # deepest\n'
        "           # odd\n          # at\n         # less\n        # field\n       # odd2\n      # k8s\n"
        "# root\n   # later deeper\n"
    ),
    "odd indent before sibling": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: read\n        value:\n          a/b: "1"\n             # deep\n        # l2\n'
        "          # deeper again after l2\n      resource-limits:\n        policy: read\n"
    ),
    "comment after kubernetes null": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:   # none yet\n        # sixteen\n'
        "      # six\n    # four\n  # two\n# zero\n"
    ),
    "comment trailing w/o newline": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpu: {policy: read}\n      # last no newline'
    ),
    "hash comment only at col0 inside": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: read\n        value:\n          a/b: "1"\n# c0\n# c0b\n      # c6\n'
    ),
    "blank w spaces": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: read\n        value:\n          a/b: "1"\n           \n   \n  \n# end\n'
    ),
    "word is block scalar": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: |\n          read\n        value: {}\n      resource-limits:\n        policy: >-\n"
        "          read\n"
    ),
    "word block scalar keep": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: |+2\n          read\n\n\n      resource-limits:\n        policy: |-\n"
        "          read\n"
    ),
    "count block scalar": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: read\n        value:\n          smarter-devices/fuse: |-\n            1\n"
        "      resource-limits:\n        policy: read\n        value:\n          smarter-devices/fuse: |\n"
        "            1\n"
    ),
    "block scalar last indent indicator": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: read\n        value:\n          a: |2\n              x\n"
        "            # not a comment\n          # comment?\n"
    ),
    "folded keep at eof": kubernetes("cpu:\n  policy: read\n  value: >+\n    x\n\n\n") + "\n\n",
    "strip at eof no newline": kubernetes("cpu:\n  policy: read\n  value: |-\n    x", end=""),
    "version block scalar": "version: |-\n  0.2\nworkspace: {}\n",
    "empty block scalar": kubernetes("cpu:\n  policy: read\n  value: |"),
    "empty block scalar keep then key": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpu:\n        value: |+\n\n'
        "        policy: read\n      resource-requests:\n        value:\n        policy: read\n"
    ),
    "block scalar comment in header strip": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpu:\n        value: >-   # head\n'
        "          text\n          # text too\n        # a comment\n        policy: read\n"
    ),
    "null word block": kubernetes("resource-requests:\n  policy: |\n  value: {}"),
    "document end": ('version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpu: {policy: read}\n...\n'),
    "doc end comment": (
        '%YAML 1.1\n---\nversion: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpu: {policy: read}\n'
        "...  # over\n# after\n"
    ),
    "yaml 1.2 directive": "%YAML 1.2\n---\n" + kubernetes("cpu: {policy: read}"),
    "leading doc marker comment": "# head\n--- # policy\n# own\nworkspace: {}\n",
    "marker root flow": "--- {workspace: {}}\n",
    "only marker": "---\n",
    "only marker and end": "---\n...\n",
    "only marker+comment": "--- # c\n# d\n...\n# e\n",
    "only directive": "%YAML 1.1\n---\n# c\n",
    "tag root": "!!map\nworkspace: {}\n",
    "anchor root": "&root\nworkspace:\n  x: 1\n",
    "space doc": "   \n  \n",
    "comment w/o newline only": "# a",
    "marker wo newline": "---",
    "doc end w/o newline": kubernetes("cpu: {policy: read}") + "...",
    "marker indented first": "---   \n\n\n" + kubernetes("cpu: {policy: read}"),
    "tab sep after colon": kubernetes("resource-requests:\t{policy:\tread, value:\t{}}\t# c"),
    "tab before comment": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: read\t# c\n        value:\t# d\n          a/b:\t"1"\t# e\t\n'
    ),
    "trailing tabs": kubernetes("cpu:\t\n  policy: read\t"),
    "tab in flow": kubernetes("resource-requests: {\n\tpolicy: read,\n\tvalue: {}\n\t}"),
    "tab null kubernetes": "workspace:\n  specs:\n    kubernetes:\t\t# c\n",
    "crlf mixed": (
        'version: "0.2"\r\nworkspace:\r\n  specs:\r\n    kubernetes:\n      resource-requests:\n'
        '        policy: read\n        value:\n          a/b: "1"\n'
    ),
    "crlf w block scalar": (
        'version: "0.2"\r\nworkspace:\r\n  specs:\r\n    kubernetes:\r\n      cpu:\r\n        value: |\r\n'
        "          x\r\n          y\r\n      resource-requests:\r\n        value: \r\n"
    ),
    "crlf no final": kubernetes("cpu: {policy: read}", end="").replace("\n", "\r\n"),
    "bom crlf doc": "\ufeff---\r\n" + kubernetes("cpu: {policy: read}").replace("\n", "\r\n"),
    "bom only": "\ufeff",
    "bom comment": "\ufeff# a\r\n# b\r\n",
    "crlf braces": "workspace: {\r\n  specs: {\r\n    kubernetes: { # c\r\n    }\r\n  }\r\n}\r\n",
    "blank lines at end": kubernetes("cpu: {policy: read}") + "\n\n\n",
    "crlf block last no end": kubernetes("cpu:\n  value: |-\n    x", end="").replace("\n", "\r\n"),
    "dup elsewhere": "x: 1\nx: 2\n" + kubernetes("cpu: {policy: read}\ncpu: {policy: write}"),
    "dup other resource": kubernetes('resource-requests:\n  value:\n    a/b: "1"\n    a/b: "2"'),
    "version key tagged": '!!str version: "0.2"\nworkspace: {}\n',
    "empty string key": '"": x\n' + kubernetes('"": {policy: read}'),
    "key with newline": '"a\\nb": x\n' + kubernetes('"c\\nd": {policy: read}'),
    "flow multi line": (
        "workspace: {specs: {kubernetes: {\n  cpu: {policy: read}   # c\n  , memory: {policy: read}\n  # tail\n}}}\n"
    ),
    "flow list brackets": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: {policy: read,\n'
        '        value: {a/b: "1",   # first\n                c/d: "2"    # second\n'
        "                # third\n               }}\n"
    ),
    "flow key no value": kubernetes("resource-requests: {policy: read, value}"),
    "flow key only fields": ("workspace: {specs: {kubernetes: {resource-requests, resource-limits: }}}\n"),
    "flow adjacent": '{"workspace":{"specs":{"kubernetes":{"cpu":{"policy":"read"}}}}}',
    "flow colon adjacent": 'workspace: {"specs":{"kubernetes":{}}}\n',
    "flow comment after brace": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: { # c1\n'
        "        # c2\n        policy: read # c3\n        # c4\n        , # c5\n        # c6\n"
        "        value: { # c7\n        } # c8\n       } # c9\n"
    ),
    "flow explicit": kubernetes('resource-requests: {? policy : read, ? value : {? a/b : "1"}}'),
    "flow trailing comma comment": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        '      resource-requests: {policy: read, value: {a/b: "1",}, # x\n      }\n'
    ),
    "flow null value comma": kubernetes("resource-requests: {policy: read, value: , }"),
    "flow value ~": kubernetes("resource-requests: {value: ~, policy: read}"),
    "flow closing brace own indent": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        {\n'
        "          policy: read\n        }\n      resource-limits:\n        { policy: read\n"
        '        , value: { a/b: "1"\n                 , c/d: "2"\n                 }\n        }\n'
    ),
    "flow comment empty": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      resource-requests: {policy: read, value: {  # nothing yet\n        }}\n"
    ),
    "flow comment empty 2": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        '      resource-requests: {policy: read, value: {\n        # a/b: "1"\n        # c\n        }}\n'
        "      resource-limits: {\n        # c\n        }\n"
    ),
    "leading comma json w/o space": '{"version":"0.2","workspace":{}}',
    "flow seq single pair": kubernetes("tolerations: {policy: read, value: [key: a, key: b]}"),
    "flow multi-line plain": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      resource-requests: {policy: read, value: {a/b: 1\n         }, note: multi\n         line}\n"
    ),
    "flow in flow at column 0": "workspace: {\nspecs: {\nkubernetes: {\n}\n}\n}\n",
    "quoted keys": (
        '"version": "0.2"\n\'workspace\':\n  "specs":\n    \'kubernetes\':\n      "resource-requests":\n'
        "        'policy': \"read\"\n        \"value\": {'a/b': '1'}\n"
    ),
    "explicit keys": (
        '? version\n: "0.2"\n? workspace\n: ? specs\n  : ? kubernetes\n    : ? resource-requests\n'
        '      : ? policy\n        : read\n        ? value\n        : a/b: "1"\n'
    ),
    "explicit value next line": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      ? resource-requests\n'
        "      # between\n      :\n        # c\n        policy: read\n      ? resource-limits # lim\n"
        "      :   # nothing\n"
    ),
    "explicit block scalar key": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      ? |-\n        resource-requests\n'
        "      : policy: read\n        value: {}\n"
    ),
    "explicit version missing first": "? workspace\n: specs: {}\n",
    "tags std": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: !!map\n'
        "        policy: !!str read\n        value: !!map {a/b: !!str 1}\n"
        "      resource-limits: !<tag:yaml.org,2002:map> {policy: read}\n"
    ),
    "tag count int": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        '          smarter-devices/fuse: !!int "1"\n      resource-limits:\n        value:\n'
        "          smarter-devices/fuse: !!str 1\n"
    ),
    "tag binary": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse: !!binary MQ==\n"
    ),
    "non specific tag": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse: ! 1\n        policy: ! read\n"
    ),
    "counts": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse: 0x1\n      resource-limits:\n        value:\n"
        "          smarter-devices/fuse: 1.0\n"
    ),
    "count octal": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse: 010\n      resource-limits:\n        value:\n"
        '          smarter-devices/fuse: "8"\n'
    ),
    "count zero": kubernetes('resource-requests:\n  value:\n    smarter-devices/fuse: "0"'),
    "count neg": kubernetes("resource-requests:\n  value:\n    smarter-devices/fuse: -1"),
    "count underscore": kubernetes("resource-requests:\n  value:\n    smarter-devices/fuse: 1_0"),
    "count empty str": kubernetes('resource-requests:\n  value:\n    smarter-devices/fuse: ""'),
    "count 1k": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse: 1k\n      resource-limits:\n        value:\n"
        "          smarter-devices/fuse: 1000m\n"
    ),
    "count space": kubernetes('resource-requests:\n  value:\n    smarter-devices/fuse: " 1 "'),
    "1 and 2": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse: 1\n      resource-limits:\n        value:\n"
        '          smarter-devices/fuse: "2"\n'
    ),
    "2 and none": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        '          smarter-devices/fuse: "2"\n      resource-limits:\n        value: {}\n'
    ),
    "none and 2": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-limits:\n'
        '        policy: append\n        value:\n          smarter-devices/fuse: "2"\n'
    ),
    "count null": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse:   # tbd\n      resource-limits:\n        value:\n"
        "          smarter-devices/fuse: ~\n"
    ),
    "inf": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        value:\n'
        "          smarter-devices/fuse: .inf\n      resource-limits:\n        value:\n"
        "          smarter-devices/fuse: .nan\n"
    ),
    "word null": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n        policy:\n'
        "        value: {}\n      resource-limits:\n        policy: ~\n"
    ),
    "word wrong": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: Write\n        value: {}\n      resource-limits:\n        policy: forbid\n"
    ),
    "word list": kubernetes("resource-requests:\n  policy: [read]\n  value: {}"),
    "flat resources": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        smarter-devices/fuse: "1"\n      resource-limits:\n        smarter-devices/fuse: "1"\n'
    ),
    "extra key in field": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: read\n        description: x\n        value: {}\n"
    ),
    "version num": "version: 0.20\nworkspace: {}\n",
    "version 0.1": 'version: "0.1"\nworkspace: {}\n',
    "version int": "version: 2\nworkspace: {}\n",
    "version last": 'workspace: {}\n\n# v\nversion: "0.2"\n',
    "Workspace": 'version: "0.2"\nWorkspace:\n  Specs:\n    Kubernetes: {}\n',
    "k8s manifest": "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n",
    "full template": (
        "version: 0.2\nworkspace:\n  type: kubernetes\n  specs:\n    kubernetes:\n      image: {value: x}\n"
        "      cpu: {value: 1}\n"
    ),
    "resource_requests": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource_requests: {policy: read}\n'
        "      resourceLimits: {policy: read}\n"
    ),
    "fields in wrong place": (
        'version: "0.2"\nworkspace:\n  resource-requests: {policy: read}\n  specs:\n'
        "    resource-limits: {policy: read}\n"
    ),
    "quoted version single": "version: '0.2'\nworkspace: {}\n",
    "version null": "version:   # tbd\nworkspace: {}\n",
    "empty value comment": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: {}   # nothing\n'
        "      resource-limits: # nothing\n"
    ),
    "requests read limits write": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        '      resource-requests: {policy: read, value: {a/b: "1"}}\n'
        '      resource-limits: {policy: write, value: {a/b: "1"}}\n'
    ),
    "request w/o value read": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: {policy: read}\n'
        "      resource-limits: {policy: read}\n"
    ),
    "cpu in resources": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        '      resource-requests: {policy: read, value: {cpu: "1"}}\n'
        '      resource-limits: {policy: read, value: {cpu: "2"}}\n'
    ),
    "github fuse": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        '      resource-requests: {policy: read, value: {github.com/fuse: "1"}}\n'
        '      resource-limits: {policy: read, value: {github.com/fuse: "1"}}\n'
    ),
    "1 space indent": (
        'version: "0.2"\nworkspace:\n specs:\n  kubernetes:\n   resource-requests:\n    policy: read\n'
        '    value:\n     a/b: "1"\n'
    ),
    "8 and 1": (
        "workspace:\n        specs:\n         kubernetes:\n                 resource-requests:\n"
        '                  value:\n                   a/b: "1"\n                  policy: read\n'
    ),
    "root indented": '  version: "0.2"\n  workspace:\n     specs:\n      kubernetes: ~\n',
    "root indented no version": ("  # head\n  workspace:\n     specs:\n      kubernetes: ~\n  # tail\n# col0 tail\n"),
    "seq in value last indentless": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      tolerations:\n        policy: read\n'
        "        value:\n        - key: a\n          # c\n        # d\n      # e\n"
    ),
    "unicode": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      "größe": {policy: read}  # ä\n'
        '      labels: {policy: read, value: {"🦭": "𝔘"}}\n'
        "      resource-requests: {policy: read, value: {}} # 🦭\xa0nbsp\n"
    ),
    "zero width": kubernetes("cpu\u200b: {policy: read}\nresource-requests\u200b: {policy: read}"),
    "rtl": kubernetes('"\u202ecpu": {policy: read}'),
    "hash in value no comment": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: read#x\n        value: {a#b: "1", c: d#e}\n'
    ),
    "comment looks like marker": kubernetes("cpu: {policy: read}") + "# ---\n#...\n",
}
UNDECIDED = {
    "count zero": '"0"',
    "count neg": "-1",
    "count empty str": '""',
    "count space": '" 1 "',
    "tag binary": "!!binary MQ==",
    "Workspace": "Kubernetes",
    "resource_requests": "resource_requests",
    "github fuse": "github.com/fuse",
    "zero width": "resource-requests\u200b",
}
"""Traps with something that is nearly what Podman needs, and what that is."""
ADDED_BESIDE = {"count zero", "count neg", "count empty str", "count space", "tag binary", "zero width"}
"""Those of them in which the other field is still missing."""
STRANGERS = {"k8s manifest": "the kind ConfigMap", "full template": "a workspace template"}
SHARED: dict[str, str] = {
    "anchor used later": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes: &k   # shared\n      cpu: {policy: read}\n'
        "    docker: *k\n"
    ),
    "value alias": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        '      resource-requests: {policy: read, value: &v {a/b: "1"}}\n      resource-limits:\n'
        "        policy: read\n        value: *v\n"
    ),
    "value alias block": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        '        policy: read\n        value: &v   # shared\n          # deep\n          a/b: "1"  # one\n'
        "          # after\n      resource-limits:\n        policy: read\n        value: *v   # same\n"
        "        # tail\n      # more\n"
    ),
    "field alias": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: &r\n'
        '        policy: read\n        value:\n          a/b: "1"\n      resource-limits: *r\n'
    ),
    "merge key in field": (
        'x-res: &res\n  policy: read\n  value:\n    a/b: "1"\nversion: "0.2"\nworkspace:\n  specs:\n'
        "    kubernetes:\n      resource-requests:\n        <<: *res\n      resource-limits:\n"
        "        <<: *res   # same\n"
    ),
    "anchor on null": kubernetes("resource-requests: &n\nresource-limits: *n"),
    "anchor on null value": (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests:\n'
        "        policy: read\n        value: &n   # c\n      resource-limits:\n        policy: read\n"
        "        value: *n\n"
    ),
    "merge key kubernetes": (
        'x: &a\n  resource-requests: {policy: read, value: {a/b: "1"}}\nversion: "0.2"\nworkspace:\n'
        "  specs:\n    kubernetes:\n      <<: *a\n      cpu: {policy: read}\n"
    ),
    "merge specs": ("x: &a\n  kubernetes:\n    cpu: {policy: read}\nversion: 0.2\nworkspace:\n  specs:\n    <<: *a\n"),
    "inline merge": ("version: 0.2\nworkspace:\n  specs:\n    <<: {kubernetes: {cpu: {policy: read}}}\n"),
}


def plain(data: Any) -> Any:
    """The data with nothing shared between two places."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    return [plain(item) for item in data] if isinstance(data, list) else data


def readings(content: bytes) -> list[Any]:
    text = content.decode("utf-8-sig")
    found = [plain(yaml.load(text, Loader=yaml.CSafeLoader))]
    newer = YAML(typ="safe", pure=True)
    newer.allow_duplicate_keys = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(plain(newer.load(text)))
    except YAMLError:  # it takes no tab between a colon and a value
        assert "\t" in text
    return found


def merged(data: Any, after: Any) -> Any:
    """What a merge shall make of the data; a count that is missing is what the other field has, else 1."""
    data = copy.deepcopy(data) or {}
    if data.get("version") is None:
        data["version"] = "0.2"
    at = data
    for name in ("workspace", "specs", "kubernetes"):
        if at.get(name) is None:
            at[name] = {}
        at = at[name]
    fields = [at.get(name) or {"policy": "write"} for name in ("resource-requests", "resource-limits")]
    counts = [(field.get("value") or {}).get(FUSE_RESOURCE) for field in fields]
    usable = [str(count) for count in counts if str(count).isalnum() and count is not None]
    for name, field, count in zip(("resource-requests", "resource-limits"), fields, counts, strict=True):
        at[name] = field
        if field.get("value") is None:
            field["value"] = {}
        if count is None:
            field["value"][FUSE_RESOURCE] = usable[0] if usable else "1"
    return data


def held(before: bytes, after: bytes) -> None:
    for one, other in zip(readings(before), readings(after), strict=True):
        assert json.dumps(other, sort_keys=True, default=str) == json.dumps(
            merged(one, other), sort_keys=True, default=str
        )


@pytest.mark.parametrize("name", [name for name in TRAPS if name not in UNDECIDED | STRANGERS])
def test_a_merge_makes_just_the_merge(name: str) -> None:
    content = TRAPS[name].encode()
    result = merge_podman(PolicyDocument.parse(content, name))
    after = result.document.content
    held(content, after)
    assert result.proof.other_bytes_changed == 0
    assert result.proof.lines_removed == 0
    assert result.proof.comments_kept == result.proof.comments
    left = iter(after.split(b"\n"))
    old = content.split(b"\n")
    kept = (
        sum(any(line == new for new in left) for line in old[:-1]) if not result.proof.lines_changed else len(old) - 1
    )
    assert kept == len(old) - 1, "a line of the file is no longer what it was"
    again = merge_podman(PolicyDocument.parse(after, name))
    assert not again.changed
    assert not again.changes


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_is_nearly_right_waits_for_a_decision_and_is_never_doubled(name: str) -> None:
    document = PolicyDocument.parse(TRAPS[name].encode(), name)
    waiting = merge_podman(document)
    assert waiting.undecided
    assert not waiting.changed
    found = [str(conflict.found) for conflict in waiting.conflicts]
    assert UNDECIDED[name].removeprefix("!!binary ").strip('"') in found
    assert all(conflict.line for conflict in waiting.conflicts)
    kept = merge_podman(document, on_conflict="keep")
    assert not kept.undecided
    assert kept.document.text.startswith(document.text)
    assert (kept.document.content == document.content) == (name not in ADDED_BESIDE)
    right = merge_podman(document, on_conflict="replace")
    assert UNDECIDED[name] not in right.document.text
    assert right.proof.comments_kept == right.proof.comments
    fields = right.document.data["workspace"]["specs"]["kubernetes"]
    for field in ("resource-requests", "resource-limits"):
        assert fields[field]["value"] == {FUSE_RESOURCE: "1"}
    assert len(fields) == len({key.strip("\u200b").replace("_", "-") for key in fields})
    assert not merge_podman(right.document).changed


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_policy_is_refused_and_named(name: str) -> None:
    with pytest.raises(InputError, match=STRANGERS[name]):
        PolicyDocument.parse(TRAPS[name].encode(), name)


@pytest.mark.parametrize("name", SHARED)
def test_what_is_shared_is_refused_and_copied_only_when_asked(name: str) -> None:
    content = SHARED[name].encode()
    document = PolicyDocument.parse(content, name)
    with pytest.raises(InputError) as refusal:
        merge_podman(document)
    assert refusal.value.line
    assert "--unshare" in refusal.value.todo
    result = merge_podman(document, unshare=True)
    held(content, result.document.content)
    assert result.proof.comments_kept == result.proof.comments
    assert not merge_podman(result.document).changed
