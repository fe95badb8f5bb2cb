//! The contract in `wit/`: it parses, and every item of it is documented.

use wit_parser::{Docs, Resolve, TypeDefKind};

fn contract() -> Resolve {
    let mut resolve = Resolve::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
    resolve.push_dir(path).expect("the contract parses");
    resolve
}

#[test]
fn every_item_is_documented() {
    let resolve = contract();
    let mut bare = Vec::new();
    let mut check = |name: String, docs: &Docs| {
        if docs
            .contents
            .as_deref()
            .unwrap_or_default()
            .trim()
            .is_empty()
        {
            bare.push(name);
        }
    };
    for (_, package) in &resolve.packages {
        check(package.name.to_string(), &package.docs);
    }
    for (_, world) in &resolve.worlds {
        check(world.name.clone(), &world.docs);
    }
    for (_, interface) in &resolve.interfaces {
        let name = interface.name.clone().unwrap_or_default();
        check(name.clone(), &interface.docs);
        for (function, item) in &interface.functions {
            check(format!("{name}.{function}"), &item.docs);
        }
        for (type_name, id) in &interface.types {
            let item = &resolve.types[*id];
            let name = format!("{name}.{type_name}");
            match &item.kind {
                // Named in another interface of the package, and documented there.
                TypeDefKind::Type(wit_parser::Type::Id(_)) => continue,
                TypeDefKind::Record(record) => {
                    record
                        .fields
                        .iter()
                        .for_each(|it| check(format!("{name}.{}", it.name), &it.docs));
                }
                TypeDefKind::Variant(variant) => {
                    variant
                        .cases
                        .iter()
                        .for_each(|it| check(format!("{name}.{}", it.name), &it.docs));
                }
                TypeDefKind::Enum(cases) => {
                    cases
                        .cases
                        .iter()
                        .for_each(|it| check(format!("{name}.{}", it.name), &it.docs));
                }
                _ => {}
            }
            check(name, &item.docs);
        }
    }
    assert_eq!(bare, [""; 0], "items without a word");
}

#[test]
fn the_smallest_guest_exports_a_handler_and_nothing_else() {
    let resolve = contract();
    let world = resolve
        .worlds
        .iter()
        .find(|(_, world)| world.name == "guest");
    let (_, world) = world.expect("there is a world for guests");
    let names = |items: Vec<&wit_parser::WorldKey>| -> Vec<String> {
        items
            .into_iter()
            .map(|key| resolve.name_world_key(key))
            .collect()
    };
    assert_eq!(
        names(world.exports.keys().collect()),
        ["jackalope:gateway/handler@0.1.0"]
    );
    let imports = names(world.imports.keys().collect());
    assert_eq!(
        imports,
        [
            "jackalope:gateway/types@0.1.0",
            "jackalope:gateway/jackalope@0.1.0"
        ]
    );
}
