//! `#[tagged("type")]` for an enum of messages: written like serde's `#[serde(tag = "type")]`, read by `shared::json`.
//!
//! serde's own reader of such an enum keeps the message in a buffer that is a format of its own, for which the code of
//! every type inside is generated once more. Here the enum is read as if its type stood outside, from a format that
//! pretends it does.

use proc_macro::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};

/// The enum must not be generic. Its variants are named in snake case, and a `flatten`ed field gets the whole object.
#[proc_macro_attribute]
pub fn tagged(tag: TokenStream, item: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = item.into_iter().collect();
    let place = tokens.iter().position(|token| is_word(token, "enum"));
    let Some((Some(TokenTree::Ident(name)), Some(TokenTree::Group(variants)))) =
        place.map(|place| (tokens.get(place + 1), tokens.get(place + 2)))
    else {
        return parse("compile_error!(\"`tagged` is for an enum without parameters\");");
    };
    let read = implementation(&tag, name, variants);
    let mut output = parse("#[derive(::serde::Serialize)]");
    output.extend(parse(&format!("#[serde(tag = {tag}, rename_all = \"snake_case\")]")));
    output.extend(tokens);
    output.extend(read);
    output
}

fn implementation(tag: &TokenStream, name: &Ident, variants: &Group) -> TokenStream {
    let mut inner = parse(&format!(
        "type Itself = {name};
         #[derive(::serde::Deserialize)]
         #[serde(remote = \"Itself\", rename_all = \"snake_case\")]
         #[allow(dead_code, clippy::large_enum_variant, reason = \"serde makes `Itself` of it\")]
         enum VariantsOfItself"
    ));
    inner.extend([TokenTree::Group(Group::new(Delimiter::Brace, with_serde_only(variants.stream())))]);
    inner.extend(parse(&format!(
        "impl ::shared::json::Tagged for {name} {{
             const TAG: &'static str = {tag};
             fn read(reader: ::shared::json::TaggedReader<'_, '_>) -> ::std::result::Result<Self, ::shared::json::Error> {{
                 VariantsOfItself::deserialize(reader)
             }}
         }}
         impl<'de> ::serde::Deserialize<'de> for {name} {{
             fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {{
                 ::shared::json::inner(deserializer)
             }}
         }}"
    )));
    let mut output = parse("const _: () =");
    output.extend([TokenTree::Group(Group::new(Delimiter::Brace, inner))]);
    output.extend(parse(";"));
    output
}

/// Without documentation and the attributes of other derives.
fn with_serde_only(stream: TokenStream) -> TokenStream {
    let mut output = Vec::new();
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token, tokens.peek()) {
            (TokenTree::Punct(punct), Some(TokenTree::Group(attribute)))
                if punct.as_char() == '#' && punct.spacing() == Spacing::Alone =>
            {
                if let Some(attribute) = of_serde(attribute) {
                    output.extend([token, TokenTree::Group(attribute)]);
                }
                tokens.next();
            }
            (TokenTree::Group(fields), _) if fields.delimiter() != Delimiter::Bracket => {
                output.push(TokenTree::Group(Group::new(fields.delimiter(), with_serde_only(fields.stream()))));
            }
            _ => output.push(token),
        }
    }
    output.into_iter().collect()
}

/// The inside of `#[serde(…)]`, with `flatten` as the name of the field that is the whole object.
fn of_serde(attribute: &Group) -> Option<Group> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let [name, TokenTree::Group(arguments)] = tokens.as_slice() else { return None };
    let is_flat = |token: &TokenTree| is_word(token, "flatten");
    let flat = || parse("rename = \"$whole\"").into_iter().collect();
    let rename = |token| if is_flat(&token) { flat() } else { vec![token] };
    let arguments = arguments.stream().into_iter().flat_map(rename).collect();
    let arguments = TokenTree::Group(Group::new(Delimiter::Parenthesis, arguments));
    is_word(name, "serde").then(|| Group::new(Delimiter::Bracket, [name.clone(), arguments].into_iter().collect()))
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

/// All texts that are parsed here are Rust.
fn parse(text: &str) -> TokenStream {
    text.parse().unwrap_or_default()
}
