"""Plug-ins: every file of a folder is one, and a user's own class may be named by import path."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from workflow.words import suggestion


class PluginError(LookupError):
    """A kind that names no plug-in; the message says which there are."""


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


def abstract(plugin: type) -> set[str]:
    """Methods that a class leaves to be written."""
    return set(getattr(plugin, "__abstractmethods__", ()))


def by_path(path: str, base: type[BaseModel]) -> type[BaseModel]:
    """The user's class that ``package.module:Class`` names.

    Raises:
        PydanticCustomError: the module, the class or its base is not what it should be.
    """
    module, _, name = path.partition(":")
    try:
        value = getattr(importlib.import_module(module), name)
    except AttributeError:
        raise PydanticCustomError(
            "plugin_import", "`{module}` has no class `{name}`", {"module": module, "name": name}
        ) from None
    except Exception as error:  # the user's module may fail in any way of its own while it is imported
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise PydanticCustomError(
            "plugin_import", "cannot import `{path}`: {why}", {"path": path, "why": why}
        ) from error
    if not (isinstance(value, type) and issubclass(value, base)):
        raise PydanticCustomError(
            "plugin_import", "`{path}` is not a subclass of {base}", {"path": path, "base": base.__name__}
        )
    absent = sorted({name for name in base.__class_vars__ if not hasattr(value, name)} | abstract(value))
    if absent:
        raise PydanticCustomError(
            "plugin_import", "`{path}` lacks {what}", {"path": path, "what": ", ".join(absent)}
        )
    if get_args(value.model_fields["kind"].annotation):
        raise PydanticCustomError(
            "plugin_import",
            "`{path}` fixes its own kind; a class named by import path leaves `kind` undeclared",
            {"path": path},
        )
    return value


def named(kind: str, package: str, base: type[BaseModel]) -> type[BaseModel]:
    """The class of a kind: a file of the package, or ``module:Class``.

    Raises:
        PluginError: there is none; the message suggests the nearest.
    """
    if ":" in kind:
        try:
            return by_path(kind, base)
        except PydanticCustomError as error:
            raise PluginError(str(error)) from error
    plugins = find(package, base)
    if kind in plugins:
        return plugins[kind]
    raise PluginError(f"there is no {base.__name__.lower()} `{kind}`; {suggestion(kind, plugins)}")


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
        union = core_schema.tagged_union_schema(
            {kind: handler.generate_schema(plugin) for kind, plugin in find(self.package, base).items()},
            discriminator="kind",
        )

        def pick(value: Any, inner: core_schema.ValidatorFunctionWrapHandler) -> Any:
            kind = value.get("kind") if isinstance(value, dict) else None
            if isinstance(kind, str) and ":" in kind:
                return by_path(kind, base).model_validate(value)
            return value if isinstance(value, base) else inner(value)

        return core_schema.no_info_wrap_validator_function(
            pick,
            union,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda v, info: v.model_dump(mode=info.mode), info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The union, or anything whose kind is an import path."""
        path = {
            "type": "object",
            "properties": {"kind": {"type": "string", "pattern": r"^[\w.]+:\w+$"}},
            "required": ["kind"],
        }
        return {"anyOf": [handler(schema), path]}
