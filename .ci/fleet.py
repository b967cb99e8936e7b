"""Checks manifests against the schemas of Kubernetes and Argo Workflows, which the packages kubernetes-validate and hera carry."""

import sys

import kubernetes_validate
import yaml
from hera.workflows import models

# The oldest and the newest that the manifests are for.
KUBERNETES = ("1.29", "1.37")


def lost(given, kept, path=""):
    """Returns what a model did not take over: it passes over fields that it does not know."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [at for key, value in given.items() for at in lost(value, kept.get(key), f"{path}/{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [at for n, pair in enumerate(zip(given, kept)) for at in lost(*pair, f"{path}/{n}")]
    return [] if given == kept else [path]


def check(document):
    if document["apiVersion"].startswith("argoproj.io/"):
        model = getattr(models, document["kind"]).model_validate(document)
        unknown = lost(document, model.model_dump(mode="json", by_alias=True, exclude_none=True))
        if unknown:
            raise ValueError(f"Argo does not know {', '.join(unknown)}")
        return "Argo Workflows"
    for version in KUBERNETES:
        kubernetes_validate.validate(document, version, strict=True)
    return f"Kubernetes {' and '.join(KUBERNETES)}"


def refuses(document):
    """Whether a field that does not exist is seen: a check that takes everything checks nothing."""
    try:
        check({**document, "spec": {**document["spec"], "noSuchField": 1}})
    except Exception:
        return True
    return False


failed = False
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    for document in documents:
        try:
            print(f"{name}: {document['kind']} as {check(document)} has it")
            assert refuses(document), "a field that does not exist passed too"
        except Exception as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
sys.exit(failed)
