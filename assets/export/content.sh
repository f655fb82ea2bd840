# What commands.sh sets of an object, as kubectl prints it; "kubectl rollout restart" changes nothing of it.
essence='jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}{.spec}{.data}'
without_restart() {
  sed -e 's|"kubectl.kubernetes.io/restartedAt":"[^"]*",||' \
    -e 's|,\{0,1\}"kubectl.kubernetes.io/restartedAt":"[^"]*"||' -e 's|"annotations":{},||'
}

content() {
  kubectl get "$@" --ignore-not-found -o "$essence" | without_restart
}

# Prints a line for each label and annotation of an object, quoted.
metadata() {
  # shellcheck disable=SC2016
  kubectl get "$@" --ignore-not-found -o go-template='
{{range $k, $v := .metadata.labels}}labels {{printf "%q: %q" $k $v}}
{{end}}{{range $k, $v := .metadata.annotations}}annotations {{printf "%q: %q" $k $v}}
{{end}}' | sed '/^$/d'
}
