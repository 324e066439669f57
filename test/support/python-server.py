"""A server of the Python SDK over stdio: FastMCP in version 1, MCPServer in version 2."""

import asyncio
import sys

try:
    from mcp.server.mcpserver import Context, MCPServer
except ImportError:
    from mcp.server.fastmcp import Context
    from mcp.server.fastmcp import FastMCP as MCPServer

server = MCPServer("python-server")


@server.tool()
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@server.tool()
def repeat(text: str, times: int) -> str:
    """Repeat a text."""
    return text * times


@server.tool()
def fail() -> str:
    """Raise."""
    raise ValueError("as asked, grüße")


@server.tool()
async def work(steps: int, context: Context) -> str:
    """Report progress on the way."""
    for step in range(steps):
        await context.report_progress(step + 1, steps)
        await asyncio.sleep(0.02)
    return f"{steps} steps"


@server.tool()
async def sleep(seconds: float) -> str:
    """Sleep."""
    await asyncio.sleep(seconds)
    return "slept"


@server.resource("note://{name}")
def note(name: str) -> str:
    return f"note of {name}"


@server.prompt()
def greet(who: str) -> str:
    return f"Greet {who}."


if __name__ == "__main__":
    # What many servers do by mistake: text on standard output that is no message.
    print("python-server, ready to serve é", flush=True)
    print("diagnostics é", file=sys.stderr, flush=True)
    server.run()
