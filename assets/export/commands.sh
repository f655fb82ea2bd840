#!/bin/sh
# The commands of the podman-wizard plan. Review README.md and this file before you run it.
#@made-for
#
#   sh commands.sh                       checks everything, then changes the cluster
#   sh commands.sh --resume              continues a run that did not finish
#[disruption
#   sh commands.sh --allow-disruption    the same, although it disrupts nodes or pods
#]
set -eu
cd "$(dirname "$0")"

resume=''
#[disruption
disrupt=''
#]
for option in "$@"; do
  case $option in
    --resume) resume=yes ;;
#[disruption
    --allow-disruption) disrupt=yes ;;
#]
    *)
      echo "commands.sh has no option $option. Nothing was changed." >&2
      exit 2
      ;;
  esac
done

result='Nothing was changed.'
if [ -n "$resume" ]; then
  result='Nothing more was changed.'
fi
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

#[cluster
# The cluster that the plan was made for
#@cluster
if [ "$(kubectl get namespace kube-system -o 'jsonpath={.metadata.uid}')" != "$uid" ]; then
  echo 'This plan was made for a different cluster.' >&2
  exit 1
fi

#]
if [ -e before ] && [ -z "$resume" ]; then
  echo 'before/ has the state before an earlier run of commands.sh.' >&2
  echo 'To continue that run, use sh commands.sh --resume. To undo it, use sh undo.sh.' >&2
  exit 1
fi

#[disruption
if [ -z "$disrupt" ]; then
#@disruption
  echo 'To do it all the same, use sh commands.sh --allow-disruption.' >&2
  exit 1
fi

#]
#[takes-over
# kubectl takes over the fields of an earlier kubectl apply since version 1.26.
minor=$(kubectl version --client -o json | sed -n 's/^ *"minor": "\([0-9]*\).*/\1/p')
if [ "${minor:-0}" -lt 26 ]; then
  echo 'This plan takes over fields of an earlier kubectl apply, which requires kubectl 1.26 or later.' >&2
  exit 1
fi
echo 'Fields of an earlier kubectl apply are taken over. The dry run of kubectl does not show which of them are'
echo 'removed; changes.md does.'

#]
#[can
can() {
  if ! kubectl auth can-i "$@" >/dev/null 2>&1; then
    echo "You lack the permission to $*." >&2
    exit 1
  fi
}

#]
#[objects
dry_run() {
  kubectl apply --server-side --field-manager=podman-wizard --dry-run=server "$@"
}

keep() {
  file=before.new/$1.json
  shift
  kubectl get "$@" --ignore-not-found -o json --show-managed-fields >"$file"
  if [ ! -s "$file" ]; then
    rm "$file"
  fi
}

#@content
apply() {
  name=$1
  shift
  : >"after/$name"
  kubectl apply --server-side --field-manager=podman-wizard -f "manifest/$name.yaml" "$@"
}

note() {
  name=$1
  shift
  content "$@" >"after/$name"
  if [ ! -e "after/$name.metadata" ]; then
    metadata "$@" >"after/$name.metadata"
  fi
}

# An object must still be what the plan was made from (on stdin), or still be absent.
as_planned() {
  was=$(kubectl create --dry-run=client --validate=false -f - -o "$essence" | without_restart)
  if [ "$(content "$@")" != "$was" ]; then
    echo "The $1 $2 was changed after this plan was exported. Export it again." >&2
    changed=yes
  fi
}

still_absent() {
  if [ -n "$(kubectl get "$@" --ignore-not-found -o name)" ]; then
    echo "The $1 $2 was created after this plan was exported. Export it again." >&2
    changed=yes
  fi
}

#]
#[objects
# If an object changed since, nothing is done.
if [ ! -e before ]; then
  changed=''
#@planned
  if [ -n "$changed" ]; then
    exit 1
  fi
fi

#]
# The server checks everything before anything is changed.
#@checks

# The state before, which undo.sh restores
if [ ! -e before ]; then
  rm -rf before.new
  mkdir before.new
#@keeps
#[labels
  kubectl get nodes -o \
    'jsonpath={range .items[*]}{.metadata.name}{" "}{.metadata.labels.smarter-device-manager}{"\n"}{end}' \
    >before.new/labels
#]
#[labels-by-name
  # If a node got another value of the label after the export, nothing is done. The plan overwrites only these values:
  cat >before.new/overwritten <<'END'
#@labels-planned
END
  awk 'FILENAME == "before.new/overwritten" { value[$1] = $2; next }
       FILENAME == "before.new/nodes" { meant[$1] = 1; next }
       ($1 in meant) && $2 != "" && $2 != "enabled" && $2 != value[$1] { print "  " $1 ": " $2 }' \
    before.new/overwritten before.new/nodes before.new/labels >before.new/relabeled
  if [ -s before.new/relabeled ]; then
    echo 'These nodes got another value of the label smarter-device-manager after this plan was exported:' >&2
    cat before.new/relabeled >&2
    echo 'Ask who set it, then remove it or export the plan again.' >&2
    exit 1
  fi
  rm before.new/overwritten before.new/relabeled
#]
  mv before.new before
fi
mkdir -p after
result='commands.sh did not finish. To continue, use sh commands.sh --resume. To undo what was done, use sh undo.sh.'

#[objects
# The objects
#@applies

#]
#[wake
# Wakes the controller, which otherwise tries again only at growing intervals.
#@wake

#]
#[labels
# The label, by name, on 20 nodes at a time; nodes that have it already are left out.
awk 'FILENAME == "before/labels" { known[$1] = 1; label[$1] = $2; next }
     !($1 in known) { print $1 " is no longer in the cluster." >"/dev/stderr"; next }
     label[$1] != "enabled" { print $1 }' before/labels before/nodes >after/nodes
if [ -s after/nodes ]; then
  # shellcheck disable=SC2016
  xargs -n 20 sh -c 'kubectl label nodes "$@" smarter-device-manager=enabled --overwrite' sh <after/nodes
fi

#]
#[rollout
result='Everything was applied, but the rollout did not finish. To wait again, use sh commands.sh --resume.'
#@rollout
#]
echo 'Done. To undo it, use sh undo.sh.'
