#!/bin/sh
# Undoes what commands.sh did. It deletes what commands.sh created, and restores what it changed from before/.
#@made-for
#[objects
# Restoring an object requires the permission to update it. Its fields then belong to the field manager kubectl.
#
#   sh undo.sh            undoes it, unless an object was changed since
#   sh undo.sh --force    undoes it, and overwrites what was changed since
#]
set -eu
cd "$(dirname "$0")"

#[objects
force=''
#]
for option in "$@"; do
  case $option in
#[objects
    --force) force=yes ;;
#]
    *)
      echo "undo.sh has no option $option. Nothing was changed." >&2
      exit 2
      ;;
  esac
done

result='Nothing was changed.'
ended() {
  code=$?
  if [ "$code" -ne 0 ]; then
    echo "$result" >&2
  fi
}
trap ended EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ ! -d before ] || [ ! -d after ]; then
  echo 'There is nothing to undo: commands.sh has changed nothing from this folder.' >&2
  exit 1
fi

#[cluster
# The cluster that the plan was made for
#@cluster
if [ "$(kubectl get namespace kube-system -o 'jsonpath={.metadata.uid}')" != "$uid" ]; then
  echo 'This plan was made for a different cluster.' >&2
  exit 1
fi

#]
#[objects
#@content
changed=''
compare() {
  name=$1
  shift
  if [ ! -s "after/$name" ]; then
    return 0
  fi
  now=$(content "$@")
  if [ -z "$now" ] && [ ! -f "before/$name.json" ]; then
    return 0
  fi
  if [ "$now" != "$(cat "after/$name")" ]; then
    echo "The $1 $2 was changed after commands.sh applied it." >&2
    changed=yes
  fi
}

# What was changed since is not overwritten.
#@compares
if [ -n "$changed" ] && [ -z "$force" ]; then
  echo 'To overwrite these changes, use sh undo.sh --force.' >&2
  exit 1
fi

# The path of the server's URL, which kubectl replace --raw leaves out
prefix=$(kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}' 2>/dev/null |
  sed 's|^[a-z]*://[^/]*||; s|/*$||')

restore() {
  name=$1 path=$2
  shift 2
  if [ ! -f "after/$name" ]; then
    return 0
  fi
  if [ -f "before/$name.json" ]; then
    # Labels and annotations that others set since stay: they become a patch of what is restored.
    metadata "$@" | grep -v -e '^labels "pod-security.kubernetes.io/enforce"' \
      -e '^annotations "deprecated.daemonset.template.generation"' \
      -e '^annotations "kubectl.kubernetes.io/last-applied-configuration"' >"after/$name.now" || :
    theirs=$(awk -v known="after/$name.metadata" '
      BEGIN { while ((getline line <known) > 0) before[line] = 1 }
      !($0 in before) { kind = $1; sub(/^[a-z]* /, ""); set[kind] = set[kind] $0 ", " }
      END { for (kind in set) printf "%s: {%s}, ", kind, set[kind] }' "after/$name.now")
    # Without its version, the earlier content replaces whatever is there now.
    sed '/^        "resourceVersion": "[0-9]*",$/d' "before/$name.json" |
      kubectl replace --raw "$prefix$path" -f - >/dev/null
    if [ -n "$theirs" ]; then
      kubectl patch "$@" --type=merge -p "metadata: {$theirs}" >/dev/null
    fi
    echo "The $1 $2 was restored."
  else
    kubectl delete "$@" --ignore-not-found
  fi
  mv "after/$name" "after/$name.undone"
}

#]
#[namespace
# A namespace is deleted only if it has nothing but what every namespace has.
delete_namespace() {
  name=$1 namespace=$2
  if [ ! -f "after/$name" ] || [ -f "before/$name.json" ]; then
    restore "$name" "/api/v1/namespaces/$namespace" namespace "$namespace"
    return 0
  fi
  if [ -z "$(kubectl get namespace "$namespace" --ignore-not-found -o name)" ]; then
    return 0
  fi
  kinds=$(kubectl api-resources --verbs=list --namespaced -o name 2>/dev/null |
    grep -v -e '^events' -e '^controllerrevisions' -e 'metrics.k8s.io$' | paste -s -d , -)
  found=$(kubectl get "$kinds" -n "$namespace" -o name --ignore-not-found)
  others=$(echo "$found" | grep -v -e '^$' -e '^pod/smarter-device-manager-' \
    -e '^configmap/kube-root-ca.crt$' -e '^configmap/openshift-service-ca.crt$' \
    -e '^serviceaccount/default$' -e '^serviceaccount/builder$' -e '^serviceaccount/deployer$' \
    -e '^secret/default-' -e '^secret/builder-' -e '^secret/deployer-' \
    -e '^rolebinding.*/system:' || :)
  if [ -n "$others" ]; then
    echo "The namespace $namespace is kept, because it also has:" >&2
    echo "$others" >&2
    exit 1
  fi
  kubectl delete namespace "$namespace" --ignore-not-found
  mv "after/$name" "after/$name.undone"
}

#]
result='undo.sh did not finish. When its cause is fixed, use sh undo.sh again.'
#[labels
# The label, from the nodes that got it from commands.sh and still have it
if [ -s after/nodes ]; then
  kubectl get nodes -l smarter-device-manager=enabled -o \
    'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' >after/labeled
  awk 'FILENAME == "after/labeled" { labeled[$1] = 1; next }
       FILENAME == "before/labels" { label[$1] = $2; next }
       $1 in labeled && label[$1] == "" { print $1 }' after/labeled before/labels after/nodes >after/unlabel
  awk 'FILENAME == "after/labeled" { labeled[$1] = 1; next }
       FILENAME == "before/labels" { label[$1] = $2; next }
       $1 in labeled && label[$1] != "" { print $1, label[$1] }' after/labeled before/labels after/nodes >after/relabel
  if [ -s after/unlabel ]; then
    # shellcheck disable=SC2016
    xargs -n 20 sh -c 'kubectl label nodes "$@" smarter-device-manager-' sh <after/unlabel
  fi
  while read -r node value; do
    kubectl label nodes "$node" "smarter-device-manager=$value" --overwrite </dev/null
  done <after/relabel
fi

#]
#[wake
#@unwake

#]
#[objects
# The objects, the last one first
#@restores

#]
undone=undone-$(date +%Y%m%d-%H%M%S)
mv before "$undone"
mv after "$undone/after"
echo "Done. The state before is kept in $undone/."
