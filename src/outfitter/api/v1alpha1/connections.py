"""Connections: tools inside a workload and access to them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.rules import Node, Rule
from outfitter.api.types import Label, Message, Port, StatusName, StatusUrl, Subject, Url, list_map, list_set

EXTERNAL_TOOLS = ("wandb", "comet")
ToolType = Literal[
    "jupyter-notebook", "pycharm", "visual-studio-code", "tensorboard", "rstudio", "mlflow", "custom", "matlab",
    "chatbot-ui", "wandb", "comet",
]  # fmt: skip
ConnectionType = Literal["LoadBalancer", "NodePort", "ExternalUrl", "ServingPort"]

_EXTERNAL = "self.toolType in ['wandb', 'comet']"
_INSIDE_ONLY = ("connectionType", "containerPort", "customNodePort", "customUrl", "protocol")


def _external(node: Node) -> bool:
    return node.get("toolType") in EXTERNAL_TOOLS


_URL_IS_CUSTOM = f"!has(self.externalUrl) || {_EXTERNAL} || (has(self.customUrl) && self.customUrl)"
_URL_MESSAGE = (
    "externalUrl of a tool in the workload needs connectionType ExternalUrl and customUrl: true. Set both, or remove "
    "externalUrl."
)


def _url_is_custom(node: Node) -> bool:
    return "externalUrl" not in node or _external(node) or node.get("customUrl") is True


def at_most_one_serving_port() -> Rule:
    """Refuse a second connection of type ServingPort: a workload has one port for requests."""
    return Rule(
        "!has(self.connections) || self.connections.filter(c, has(c.connectionType) && "
        "c.connectionType == 'ServingPort').size() <= 1",
        "Two connections have type ServingPort, and a workload has one port for requests. Change the type of one of "
        "them, or remove it.",
        lambda spec: [item.get("connectionType") for item in spec.get("connections", ())].count("ServingPort") <= 1,
        field="connections",
    )


def _only_with(node: Node, field: str, connection_type: str) -> bool:
    return field not in node or node.get("connectionType") == connection_type


def _shape_rules(guard: str) -> tuple[Rule, ...]:
    """Return the rules of a complete connection; they apply where `guard` (CEL) is true."""
    skip = f"!({guard}) || " if guard else ""

    def asked(node: Node) -> bool:
        return not guard or "toolType" in node

    none_inside = " && ".join(f"!has(self.{field})" for field in _INSIDE_ONLY)
    return (
        Rule(
            f"{skip}!({_EXTERNAL}) || (has(self.externalUrl) && {none_inside})",
            "wandb and comet run outside the cluster. Set externalUrl, and remove connectionType, containerPort, "
            "customNodePort, customUrl and protocol.",
            lambda node: (
                not asked(node)
                or not _external(node)
                or ("externalUrl" in node and not any(field in node for field in _INSIDE_ONLY))
            ),
            field="toolType",
        ),
        Rule(
            f"{skip}{_EXTERNAL} || (has(self.connectionType) && has(self.containerPort))",
            "The connection has no connectionType or no containerPort. Set the access to the tool, and the port "
            "on which it listens.",
            lambda node: not asked(node) or _external(node) or ("connectionType" in node and "containerPort" in node),
            field="toolType",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.customNodePort) || (has(self.connectionType) && self.connectionType == 'NodePort')",
            "customNodePort is valid only for connectionType NodePort. Remove customNodePort, or change "
            "connectionType.",
            lambda node: _only_with(node, "customNodePort", "NodePort"),
            field="customNodePort",
        ),
        Rule(
            "!has(self.customUrl) || (has(self.connectionType) && self.connectionType == 'ExternalUrl')",
            "customUrl is valid only for connectionType ExternalUrl. Remove customUrl, or change connectionType.",
            lambda node: _only_with(node, "customUrl", "ExternalUrl"),
            field="customUrl",
        ),
        Rule(
            "!has(self.protocol) || (has(self.connectionType) && self.connectionType == 'ServingPort')",
            "protocol is valid only for connectionType ServingPort. Remove protocol, or change connectionType.",
            lambda node: _only_with(node, "protocol", "ServingPort"),
            field="protocol",
        ),
    )


class _ConnectionFields(Model):
    """Access to one tool."""

    name: Label
    """Name of the connection, unique in its list; part of the generated names and URLs."""
    connection_type: ConnectionType | None = None
    """Access to the tool. `ExternalUrl`: a URL through the ingress. `NodePort`: a port on every node. `LoadBalancer`:
    an external address. `ServingPort`: the endpoint of an inference workload.
    """
    container_port: Port | None = None
    """Port that the tool listens on, 1 to 65535."""
    custom_node_port: bool | None = None
    """Each workload must set the node port. Default: false, the cluster chooses it. Only for NodePort."""
    custom_url: bool | None = None
    """The URL is set here as `externalUrl`, or by each workload, instead of generated. Default: false. Only for
    ExternalUrl.
    """
    external_url: Url | None = None
    """URL of the tool. For wandb and comet it may hold `${NAME}` placeholders for environment variables with plain
    values, not for secrets. For a tool in the workload it needs customUrl.
    """
    protocol: Literal["http", "grpc"] | None = None
    """Protocol of a serving port. Default: http. Only for ServingPort."""


class Connection(_ConnectionFields):
    """One tool and access to it."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *_shape_rules(""),
        Rule(_URL_IS_CUSTOM, _URL_MESSAGE, _url_is_custom, field="externalUrl"),
    )

    tool_type: ToolType
    """The tool. `wandb` and `comet` run outside the workload and have only an externalUrl; all others run inside it."""


class ConnectionOverride(_ConnectionFields):
    """Settings for a connection of the environment by its name, or with `toolType` an additional connection."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *_shape_rules("has(self.toolType)"),
        Rule(
            "has(self.toolType) || (!has(self.connectionType) && !has(self.containerPort))",
            "connectionType and containerPort are valid only with toolType. Set toolType, or remove them to use "
            "the values of the Environment.",
            lambda node: "toolType" in node or ("connectionType" not in node and "containerPort" not in node),
            field="toolType",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.nodePort) || !has(self.toolType) || "
            "(has(self.connectionType) && self.connectionType == 'NodePort')",
            "nodePort is valid only for connectionType NodePort. Remove nodePort, or change connectionType.",
            lambda node: "nodePort" not in node or "toolType" not in node or node.get("connectionType") == "NodePort",
            field="nodePort",
        ),
        Rule(
            f"!has(self.toolType) || {_URL_IS_CUSTOM}",
            _URL_MESSAGE,
            lambda node: "toolType" not in node or _url_is_custom(node),
            field="externalUrl",
        ),
        Rule(
            "!has(self.authorizedUsers) || !has(self.authorizedGroups)",
            "authorizedUsers and authorizedGroups exclude each other. Remove one of them.",
            lambda node: "authorizedUsers" not in node or "authorizedGroups" not in node,
            field="authorizedGroups",
        ),
    )

    tool_type: ToolType | None = None
    """The tool, for an additional connection. Without it, the entry sets values of a connection of the environment."""
    node_port: Port | None = None
    """Node port. Required with customNodePort of the environment, rejected without it."""
    authorized_users: Annotated[tuple[Subject, ...], list_set(64)] = ()
    """Users that may open the URL. Default: anyone who is signed in, where an administrator has set
    `ingressAuthAnnotations`; else everyone who can reach the ingress. Not supported yet.
    """
    authorized_groups: Annotated[tuple[Subject, ...], list_set(64)] = ()
    """Groups whose members may open the URL. Default as for `authorizedUsers`. Not supported yet."""


class ConnectionStatus(Model):
    """Address of a connection."""

    name: StatusName
    """Name of the connection."""
    tool_type: Annotated[str, Field(max_length=63)] | None = None
    """The tool."""
    tool_name: Annotated[str, Field(max_length=63)] | None = None
    """Name of the tool, for a port or URL that sets it."""
    connection_type: Annotated[str, Field(max_length=63)] | None = None
    """Type of access; absent for tools outside the workload."""
    container_port: int | None = None
    """Port that the tool listens on."""
    node_port: int | None = None
    """Port on every node, for NodePort."""
    url: StatusUrl | None = None
    """Address to open."""
    message: Message | None = None
    """Cause of a missing address, or a note."""


Connections = Annotated[tuple[Connection, ...], list_map("name", 32)]
ConnectionOverrides = Annotated[tuple[ConnectionOverride, ...], list_map("name", 32)]
ConnectionStatuses = Annotated[tuple[ConnectionStatus, ...], list_map("name", 64)]
