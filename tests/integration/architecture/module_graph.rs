//! The graph of the uses between the modules of a crate, read from the source text.
//!
//! A module is a file. An edge is a path that begins with `crate`, `super` or `self`, in a `use` or elsewhere, also in macros.
//! Unit tests are excluded, because they may use every module.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    str::FromStr,
};

use proc_macro2::{TokenStream, TokenTree};

/// The path of a module below the root of its crate; empty for the root itself.
pub type ModulePath = Vec<String>;

#[derive(Debug, Default)]
pub struct ModuleGraph {
    edges: BTreeMap<ModulePath, BTreeSet<ModulePath>>,
}

impl ModuleGraph {
    /// Reads every file below `src` except tests and binaries.
    pub fn of_crate(src: &Path) -> Self {
        let mut sources = Vec::new();
        read_folder(src, &mut Vec::new(), &mut sources);
        assert!(!sources.is_empty(), "{} contains no source file", src.display());
        Self::new(&sources)
    }

    /// Builds the graph from the path and the text of each module.
    pub fn new(sources: &[(ModulePath, String)]) -> Self {
        let modules: BTreeSet<_> = sources.iter().map(|(module, _)| module.clone()).collect();
        let mut edges: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
        for (module, text) in sources {
            let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{}: {error}", module.join("::")));
            let mut paths = Vec::new();
            collect_paths(tokens, module, &mut paths);
            let used = paths.into_iter().map(|path| module_of(&modules, path));
            edges.entry(module.clone()).or_default().extend(used.filter(|used| used != module));
        }
        Self { edges }
    }

    /// Every edge, as the using and the used module.
    pub fn edges(&self) -> impl Iterator<Item = (&ModulePath, &ModulePath)> {
        self.edges.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)))
    }

    /// Import cycles between sibling modules, each in the form `a -> b -> a`. A sibling includes its descendants. A module and
    /// its own descendants may use each other.
    pub fn cycles(&self) -> BTreeSet<String> {
        let mut siblings: BTreeMap<&[String], Graph<'_>> = BTreeMap::new();
        for (from, to) in self.edges() {
            let shared = from.iter().zip(to).take_while(|(from, to)| from == to).count();
            if let (Some(from_name), Some(to_name)) = (from.get(shared), to.get(shared)) {
                siblings.entry(&from[..shared]).or_default().entry(from_name).or_default().insert(to_name);
            }
        }
        let cycles = siblings.into_iter().flat_map(|(parent, graph)| {
            let full_name = |module: &&str| [parent, &[(*module).to_owned()]].concat().join("::");
            let names = |cycle: Vec<&str>| cycle.iter().map(full_name).collect::<Vec<_>>().join(" -> ");
            cycles_of(&graph).into_iter().map(names).collect::<Vec<_>>()
        });
        cycles.collect()
    }
}

/// The names that each name uses.
type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Returns at least one cycle if the graph has any. Each cycle starts with its smallest name, so that no cycle is
/// returned twice.
fn cycles_of<'a>(graph: &Graph<'a>) -> Vec<Vec<&'a str>> {
    let edges = graph.iter().flat_map(|(from, to)| to.iter().map(move |to| (*from, *to)));
    let cycles = edges.filter_map(|(from, to)| {
        let cycle = [&[from][..], &shortest_path(graph, to, from)?].concat();
        (cycle.iter().min() == Some(&from)).then_some(cycle)
    });
    cycles.collect()
}

fn shortest_path<'a>(graph: &Graph<'a>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut queue = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(path) = queue.pop_front() {
        let last = path[path.len() - 1];
        if last == to {
            return Some(path);
        }
        for next in graph.get(last).into_iter().flatten() {
            if seen.insert(next) {
                queue.push_back([&path[..], &[next]].concat());
            }
        }
    }
    None
}

fn read_folder(folder: &Path, module: &mut ModulePath, sources: &mut Vec<(ModulePath, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" || name == "bin" {
            continue;
        }
        let root = module.is_empty() && (name == "lib" || name == "main");
        if path.is_dir() {
            module.push(name);
            read_folder(&path, module, sources);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut module = module.clone();
            module.extend((!root).then_some(name));
            sources.push((module, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The module of a path: its longest prefix that is a module. The other segments are items of that module.
fn module_of(modules: &BTreeSet<ModulePath>, mut path: ModulePath) -> ModulePath {
    while !modules.contains(&path) && path.pop().is_some() {}
    path
}

/// Adds every path in `tokens` that begins with `crate`, `super` or `self`, as a path from the root of the crate.
fn collect_paths(tokens: TokenStream, module: &ModulePath, paths: &mut Vec<ModulePath>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut index = 0;
    while index < tokens.len() {
        match &tokens[index..] {
            [TokenTree::Ident(keyword), TokenTree::Ident(name), TokenTree::Group(body), ..] if keyword == "mod" => {
                collect_paths(body.stream(), &[&module[..], &[name.to_string()]].concat(), paths);
                index += 3;
            }
            [TokenTree::Ident(word), ..] if is_separator(&tokens, index + 1) => {
                let start = match word.to_string().as_str() {
                    "crate" => Vec::new(),
                    "self" => module.clone(),
                    "super" => module[..module.len().saturating_sub(1)].to_vec(),
                    _ => {
                        index += 3;
                        continue;
                    }
                };
                index = collect_tree(&tokens, index + 3, start, paths);
            }
            [TokenTree::Group(group), ..] => {
                collect_paths(group.stream(), module, paths);
                index += 1;
            }
            _ => index += 1,
        }
    }
}

/// Follows a path and each of its branches in braces. Returns the index after the path.
fn collect_tree(tokens: &[TokenTree], mut index: usize, mut path: ModulePath, paths: &mut Vec<ModulePath>) -> usize {
    loop {
        match tokens.get(index) {
            Some(TokenTree::Ident(word)) if word == "super" => drop(path.pop()),
            Some(TokenTree::Ident(word)) if word == "self" => {}
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Group(branches)) => {
                let branches: Vec<_> = branches.stream().into_iter().collect();
                for branch in branches.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
                {
                    if !branch.is_empty() {
                        collect_tree(branch, 0, path.clone(), paths);
                    }
                }
                return index + 1;
            }
            _ => {
                paths.push(path);
                return index;
            }
        }
        index += 1;
        if !is_separator(tokens, index) {
            paths.push(path);
            return index;
        }
        index += 2;
    }
}

fn is_separator(tokens: &[TokenTree], index: usize) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(tokens.get(index)) && colon(tokens.get(index + 1))
}
