"""Lists in pages, as the API server gives them."""

from __future__ import annotations

from bisect import bisect_right

from aiohttp import web

from wizard.sandbox import continuations, refusals
from wizard.sandbox.kinds import Kind
from wizard.sandbox.requests import Shape, Target, matcher_of, number_of
from wizard.sandbox.responses import Answer, answer, list_body
from wizard.sandbox.store import Object, Store, Version
from wizard.sandbox.tables import metadata_list, table


class Lists:
    """Answers requests for lists from one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def answer_to(self, request: web.BaseRequest, kind: Kind, target: Target, shape: Shape) -> Answer:
        """Answers a request for the objects of a kind, or for the next page of them."""
        if shape == "metadata":
            asked = f"PartialObjectMetadata, but the requested object is a list ({kind.go_type}List)"
            raise refusals.no_such_shape(asked)
        matches = matcher_of(request, kind)
        limit = number_of(request, "limit")
        selected = matches is not None
        resource_version, versions = self._content(request, kind)
        after: tuple[str, str] | None = None
        if text := request.query.get("continue"):
            after = continuations.read(text)[1]
        page: list[Version] = []
        more = 0
        for one in versions if after is None else _from(versions, after):
            if (target.namespace and one.key[0] != target.namespace) or (matches and not matches(one.obj)):
                continue
            if limit and len(page) == limit:
                more += 1
                if selected:
                    break
            else:
                page.append(one)
        metadata: Object = {"resourceVersion": str(resource_version)}
        if more:
            metadata["continue"] = continuations.token(resource_version, page[-1].key)
            if not selected:
                metadata["remainingItemCount"] = more
        if shape == "table":
            return answer(table(kind.plural, page, metadata, request.query.get("includeObject", "Metadata")))
        if shape == "metadata list":
            return answer(metadata_list(page, metadata))
        return Answer(list_body(kind, metadata, page))

    def _content(self, request: web.BaseRequest, kind: Kind) -> tuple[int, list[Version]]:
        """Returns the resource version and content of the requested list. Raises the server's 410."""
        store = self._store
        text = request.query.get("continue")
        if text:
            resource_version, after = continuations.read(text)
            if resource_version < 0:
                return store.begin_list(kind.plural)
            content = store.resume_list(kind.plural, resource_version)
            if content is None:
                raise refusals.expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a "
                    "new list without the continue parameter, or use the continue token in this response to retrieve "
                    "the remainder of the results. Continuing with the provided token results in an inconsistent list "
                    "- objects that were created, modified, or deleted between the time the first chunk was returned "
                    "and now may show up in the list.",
                    continuations.token(-1, after),
                )
            return resource_version, content
        if "limit" in request.query:
            return store.begin_list(kind.plural)
        return store.resource_version, store.all(kind.plural)


def _from(versions: list[Version], after: tuple[str, str]) -> list[Version]:
    return versions[bisect_right(versions, after, key=lambda one: one.key) :]
