#!/usr/bin/env bash
# Checks the Java client: see the usage below. Needs a JDK of version 17 or later and Maven.
set -euo pipefail

usage() {
  echo 'usage: check.sh test | package DIR | readme DIR | driver DIR | size DIR' >&2
  exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${CARGO_TARGET_DIR:-target}/clients/java
mkdir -p "$work"
work=$(cd "$work" && pwd)
format_version=1.28.0

# Runs Maven. After the first time, nothing is downloaded.
maven() {
  mvn -q -B -Dstyle.color=never "-Dmaven.repo.local=$work/m2" "$@"
}

# Runs google-java-format.
format() {
  local jar=$work/tools/google-java-format-$format_version-all-deps.jar package exports=()
  if [[ ! -f $jar ]]; then
    maven org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy "-DoutputDirectory=$work/tools" \
      "-Dartifact=com.google.googlejavaformat:google-java-format:$format_version:jar:all-deps"
  fi
  for package in api code file parser tree util; do
    exports+=("--add-exports=jdk.compiler/com.sun.tools.javac.$package=ALL-UNNAMED")
  done
  java "${exports[@]}" -jar "$jar" "$@"
}

# Compiles with all lints, and runs the tests and the conformance suite.
run_tests() {
  local files
  mapfile -t files < <(find "$here/src" "$here/example" "$here/driver" -name '*.java')
  format --dry-run --set-exit-if-changed "${files[@]}" ||
    { echo 'format the files above with google-java-format' >&2; exit 1; }
  maven -f "$here/pom.xml" "-DbuildDirectory=$work/build" test
  javac -Xlint:all -Werror -d "$work/example" -cp "$work/build/classes" "$here"/example/src/main/java/*.java
  count_tests
}

# Prints the number of tests of the reports.
count_tests() {
  local report count sum=0
  for report in "$work"/build/surefire-reports/TEST-*.xml; do
    count=$(grep -o -m1 ' tests="[0-9]*"' "$report" | grep -o '[0-9]*')
    sum=$((sum + count))
  done
  echo "$sum passed, 0 failed"
}

# Builds the artifact as it is published, installs it in the local Maven repository, and creates a project that uses it.
package() {
  local folder=$1
  mkdir -p "$folder/artifacts" "$folder/app/src/main/java"
  rm -rf "$work/m2/io/github/signet-licensing"
  maven -f "$here/pom.xml" "-DbuildDirectory=$work/release" --activate-profiles release -Dmaven.test.skip clean install
  cp "$work"/release/signet-client-*.jar "$here/pom.xml" "$folder/artifacts/"
  cp "$here/driver/pom.xml" "$folder/app/"
  cp "$here"/driver/*.java "$folder/app/src/main/java/"
  first_code_block > "$folder/app/src/main/java/App.java"
  maven -f "$folder/app/pom.xml" clean package
}

# Prints the program of the README.
first_code_block() {
  awk '/^```java$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$here/README.md"
}

# Runs a program of the project in a folder, with the library as a module.
run_program() {
  local app=$1/app/target
  shift
  exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -p "$app/lib" --add-modules io.github.signetlicensing.client \
    -cp "$app/classes" "$@"
}

run_readme() {
  local folder
  folder=$(cd "$1" && pwd)
  cd "$folder"
  run_program "$folder" App
}

# Prints one JSON line: lines of code, installed bytes, dependencies, time to open, and memory of an idle license.
measure() {
  local folder lines bytes dependencies measured
  folder=$(cd "$1" && pwd)
  lines=$(find "$here/src/main" -name '*.java' -exec cat {} + | grep -cEv '^[[:space:]]*(//|/\*|\*|$)')
  bytes=$(cat "$folder"/app/target/lib/*.jar | wc -c)
  dependencies=$(find "$folder/app/target/lib" -name '*.jar' ! -name 'signet-client-*' | wc -l)
  measured=$(run_program "$folder" Measure "$here/../conformance")
  echo "{\"language\": \"java\", \"lines\": $lines, \"install_bytes\": $bytes, \"dependencies\": $dependencies, $measured}"
}

case ${1:-}/$# in
  test/1) run_tests ;;
  package/2) package "$2" ;;
  readme/2) run_readme "$2" ;;
  driver/2) run_program "$2" Driver ;;
  size/2) measure "$2" ;;
  *) usage ;;
esac
