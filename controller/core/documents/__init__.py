"""The documents that people write: what may stand in them, and what is wrong with a given one.

::

    spec             the kinds `Project` and `DeployRequest`: the source of everything that is generated
    spec_parts       the parts that both projects and stages are made of
    forms            patterns of text, in words, with probable corrections
    shared_rules     exactly one of some fields; fields for later versions
    strategy         when containers of a stage may overlap
    read             plain data → a document, or everything that is wrong with it
    rules            rules between the fields of one document
    wording          what pydantic found → sentences for people
    model_fields     what the models say about a place
    yaml_tree        a text as a tree that remembers lines and columns
    syntax_words     what a YAML parser's error means
    diagnostics      mistakes with place, line and caret, printed as compilers do
    codes            the stable code of each kind of mistake
    quantity         durations, sizes and shares as numbers
    schema           JSON Schema and CustomResourceDefinitions, with cel_rules and crd_status
    reference        the page of all fields

Imports `core.model` and pydantic only. Reading YAML is `controller.yaml_text`'s business; rules between documents are
the catalog's.
"""
