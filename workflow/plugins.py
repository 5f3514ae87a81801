"""Plug-ins: every file of a folder is one, and a user's own class may be named by import path."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import BaseModel, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def find(package: str, base: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The plug-ins of a package: kind -> final class derived from ``base``.

    A plug-in's kind is the name of its file; folders are machinery and are passed over.
    """
    found = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.ispkg:
            continue
        name = f"{package}.{module.name}"
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == name:
                found[module.name] = value
    return found


def by_path(path: str, base: type[BaseModel]) -> type[BaseModel]:
    """The user's class that ``package.module:Class`` names.

    Raises:
        PydanticCustomError: the module, the class or its base is not what it should be.
    """
    module, _, name = path.partition(":")
    try:
        value = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise PydanticCustomError(
            "plugin_import", "cannot import `{path}`: {why}", {"path": path, "why": str(error)}
        ) from None
    except AttributeError:
        raise PydanticCustomError(
            "plugin_import", "`{module}` has no class `{name}`", {"module": module, "name": name}
        ) from None
    if not (isinstance(value, type) and issubclass(value, base)):
        raise PydanticCustomError(
            "plugin_import", "`{path}` is not a subclass of {base}", {"path": path, "base": base.__name__}
        )
    return value


@dataclass(frozen=True)
class OneOf:
    """Annotation: the field holds one of the plug-ins of a package, told apart by ``kind``.

    The static type is the base class, all that the engine should see; at run time and in the JSON
    schema it is a discriminated union, so that editors complete the YAML.
    """

    package: str

    def __get_pydantic_core_schema__(
        self, base: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The union of the plug-ins, with import paths let through to the user's classes."""
        plugins = list(find(self.package, base).values())
        if len(plugins) == 1:
            union = handler.generate_schema(plugins[0])
        else:
            union = handler.generate_schema(Annotated[reduce(or_, plugins), Field(discriminator="kind")])  # type: ignore[arg-type]  # reduce over types gives a union

        def pick(value: Any, inner: core_schema.ValidatorFunctionWrapHandler) -> Any:
            kind = value.get("kind") if isinstance(value, dict) else None
            if isinstance(kind, str) and ":" in kind:
                return by_path(kind, base).model_validate(value)
            return value if isinstance(value, base) else inner(value)

        return core_schema.no_info_wrap_validator_function(
            pick,
            union,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.model_dump()),
        )
