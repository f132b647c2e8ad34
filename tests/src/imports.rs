//! Import cycles between the modules of a crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A path in the code, such as `["crate", "auth", "User"]`.
type CodePath = Vec<String>;

/// The paths in a module's file.
#[derive(Default)]
struct Paths {
    imports: Vec<CodePath>,
    /// The items that the module re-exports by name.
    re_exports: Vec<CodePath>,
}

/// The modules of a crate, by their path below the crate's root.
type Modules = BTreeMap<CodePath, Paths>;

/// Finds the import cycles of the crate whose source files are in `folder`. Returns the modules of each cycle; none if
/// the modules form a line.
///
/// A module imports the module that defines an item it names, so re-exports are followed. A parent that names an item
/// of its child imports it like any other module; declaring the child is no import. Comments and inline tests do not
/// count.
pub fn import_cycles(folder: &Path) -> Vec<Vec<String>> {
    let mut modules = Modules::new();
    read_modules(folder, &[], &mut modules);
    assert!(!modules.is_empty(), "no Rust files in {}", folder.display());
    let imports: BTreeMap<_, _> = modules.keys().map(|module| (module.clone(), imports_of(module, &modules))).collect();
    let reachable: BTreeMap<_, _> = imports.keys().map(|module| (module, reachable_from(module, &imports))).collect();
    let cycle_of = |module: &CodePath| -> Vec<String> {
        let members = reachable[module].iter().filter(|other| reachable[other].contains(module));
        members.map(|member| [&["crate".to_owned()], &member[..]].concat().join("::")).collect()
    };
    let cycles: BTreeSet<_> = modules.keys().map(cycle_of).filter(|cycle| !cycle.is_empty()).collect();
    cycles.into_iter().collect()
}

/// Finds the imports against a line of top-level modules, each of which imports only from those before it. Returns each
/// as `importing module: imported module`; modules that are missing in the line are found, too.
pub fn imports_against(folder: &Path, line: &[&str]) -> Vec<String> {
    let mut modules = Modules::new();
    read_modules(folder, &[], &mut modules);
    let place = |module: &CodePath| line.iter().position(|name| module.first().is_some_and(|top| top == name));
    let mut found = Vec::new();
    for module in modules.keys().filter(|module| !module.is_empty()) {
        for import in imports_of(module, &modules) {
            let is_allowed = matches!((place(module), place(&import)), (Some(from), Some(to)) if to <= from);
            if !is_allowed {
                found.push(format!("{}: {}", module.join("::"), import.join("::")));
            }
        }
    }
    found
}

fn read_modules(folder: &Path, parent: &[String], modules: &mut Modules) {
    for entry in fs::read_dir(folder).expect("a folder of source files") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_stem().expect("a file name").to_string_lossy().into_owned();
        if path.is_dir() {
            read_modules(&path, &[parent, &[name]].concat(), modules);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = match name.as_str() {
                // Beside a library, the binary is another crate.
                "main" if folder.join("lib.rs").exists() => continue,
                "main" | "lib" | "mod" => parent.to_vec(),
                _ => [parent, &[name]].concat(),
            };
            modules.insert(module, parse(&fs::read_to_string(&path).expect("a text file")));
        }
    }
}

fn parse(text: &str) -> Paths {
    let is_inline_test = |at: &usize| {
        let module = text[*at..].lines().nth(1).unwrap_or_default();
        module.contains("mod ") && module.ends_with('{')
    };
    let tests = text.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(is_inline_test);
    let code = &text[..tests.unwrap_or(text.len())];
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("::", " :: ");
    let is_boundary = |letter: char| letter.is_whitespace() || "{}()[]<>;,.&*!?#'\"=|".contains(letter);
    let words = code.split_inclusive(is_boundary).flat_map(|word| {
        let (name, end) = word.split_at(word.trim_end_matches(is_boundary).len());
        [name, end.trim()]
    });
    let tokens: Vec<&str> = words.filter(|token| !token.is_empty()).collect();
    let (mut paths, mut at) = (Paths::default(), 0);
    while at < tokens.len() {
        let is_re_export = tokens[at] == "use" && at > 0 && ["pub", ")"].contains(&tokens[at - 1]);
        let mut found = Vec::new();
        at = read_path(&tokens, if is_re_export { at + 1 } else { at }, &[], &mut found);
        let (named, globs) =
            found.into_iter().partition(|path| is_re_export && path.last().is_some_and(|name| name != "*"));
        paths.re_exports.extend::<Vec<_>>(named);
        paths.imports.extend::<Vec<_>>(globs);
    }
    paths
}

/// Reads the path at a token, with the groups of `use` expanded. Returns the position after it.
fn read_path(tokens: &[&str], mut at: usize, prefix: &[String], found: &mut Vec<CodePath>) -> usize {
    let mut path = [prefix, &[tokens[at].to_owned()]].concat();
    at += 1;
    while let [Some("::"), Some(next)] = [tokens.get(at).copied(), tokens.get(at + 1).copied()] {
        at += 2;
        if next == "{" {
            while tokens.get(at).is_some_and(|token| *token != "}") {
                at = if tokens[at] == "," { at + 1 } else { read_path(tokens, at, &path, found) };
            }
            return at + 1;
        }
        path.push(next.to_owned());
    }
    found.push(path);
    // The name after `as` is no path.
    if tokens.get(at) == Some(&"as") { at + 2 } else { at }
}

/// The modules that define the items which a module names.
fn imports_of(module: &CodePath, modules: &Modules) -> BTreeSet<CodePath> {
    let found = modules[module].imports.iter().filter_map(|path| defining_module(module, path, modules));
    found.filter(|other| other != module).collect()
}

/// The module that defines the item at a path; none for names in the module itself and in other crates.
fn defining_module(module: &[String], path: &[String], modules: &Modules) -> Option<CodePath> {
    let (first, names) = path.split_first().filter(|(_, names)| !names.is_empty())?;
    let mut found = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module.split_last()?.1.to_vec(),
        child => Some([module, &[child.to_owned()]].concat()).filter(|child| modules.contains_key(child))?,
    };
    for name in names {
        let child = [&found[..], std::slice::from_ref(name)].concat();
        if name == "super" {
            found.pop();
        } else if modules.contains_key(&child) {
            found = child;
        } else {
            let re_export = modules.get(&found)?.re_exports.iter().find(|path| path.last() == Some(name));
            return re_export.map_or(Some(found.clone()), |path| defining_module(&found, path, modules));
        }
    }
    Some(found)
}

fn reachable_from(module: &CodePath, imports: &BTreeMap<CodePath, BTreeSet<CodePath>>) -> BTreeSet<CodePath> {
    let (mut reachable, mut open) = (BTreeSet::new(), vec![module]);
    while let Some(next) = open.pop() {
        open.extend(imports[next].iter().filter(|import| reachable.insert((*import).clone())));
    }
    reachable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        import_cycles(folder.path())
    }

    #[test]
    fn cycles_are_found_through_every_kind_of_path() {
        for (b, is_cycle) in [
            ("use crate::a::A;", true),
            ("use super::{\n    a::{self, A as Other},\n    Unrelated,\n};", true),
            ("fn b() -> usize { crate::a::f::<u8>() }", true),
            ("use crate::Exported;", true),
            ("use crate::Root;", false),
            ("use std::fmt;\n\n/// See [`crate::a::A`].\nstruct B;", false),
            ("struct B;\n\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}", false),
        ] {
            let a = ("a.rs", "use crate::b::B;\npub struct A;");
            let root = ("lib.rs", "mod a;\nmod b;\npub(crate) use a::{A, Exported};\npub struct Root;");
            let expected = if is_cycle { vec![vec!["crate::a".to_owned(), "crate::b".to_owned()]] } else { Vec::new() };
            assert_eq!(cycles(&[root, a, ("b.rs", b)]), expected, "{b}");
        }
    }

    #[test]
    fn imports_against_the_line_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("a.rs", "use crate::b::B;"), ("b.rs", "use crate::C;"), ("lib.rs", "struct C;")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(imports_against(folder.path(), &["a", "b"]), ["a: b", "b: "]);
        assert_eq!(imports_against(folder.path(), &["b", "a"]), ["b: "]);
    }

    #[test]
    fn a_parent_and_its_child_must_not_name_each_other() {
        let child = ("a/b.rs", "use super::PATH;");
        let cycle = vec![vec!["crate::a".to_owned(), "crate::a::b".to_owned()]];
        assert_eq!(cycles(&[("a/mod.rs", "mod b;\nconst PATH: u8 = 1;\nfn f() { g(b::list) }"), child]), cycle);
        assert_eq!(cycles(&[("a/mod.rs", "mod b;\nconst PATH: u8 = 1;"), child]), Vec::<Vec<String>>::new());
    }
}
