package main

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// libraries are those that Argo CD opens for a health script: no io, no string, no math.
var libraries = []struct {
	name string
	open lua.LGFunction
}{
	{lua.LoadLibName, lua.OpenPackage},
	{lua.BaseLibName, lua.OpenBase},
	{lua.TabLibName, lua.OpenTable},
}

func argoCD(script string, object map[string]any) (verdict, error) {
	machine := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer machine.Close()
	for _, library := range libraries {
		if err := machine.CallByParam(
			lua.P{Fn: machine.NewFunction(library.open), Protect: true},
			lua.LString(library.name),
		); err != nil {
			return verdict{}, err
		}
	}
	machine.SetGlobal("obj", toLua(machine, object))
	if err := machine.DoString(script); err != nil {
		return verdict{}, err
	}
	table, ok := machine.Get(-1).(*lua.LTable)
	if !ok {
		return verdict{}, fmt.Errorf("the script returned a %s, no table", machine.Get(-1).Type())
	}
	return verdict{
		Status:  table.RawGetString("status").String(),
		Message: table.RawGetString("message").String(),
	}, nil
}

func toLua(machine *lua.LState, value any) lua.LValue {
	switch known := value.(type) {
	case bool:
		return lua.LBool(known)
	case float64:
		return lua.LNumber(known)
	case int64:
		return lua.LNumber(known)
	case string:
		return lua.LString(known)
	case []any:
		table := machine.CreateTable(len(known), 0)
		for _, item := range known {
			table.Append(toLua(machine, item))
		}
		return table
	case map[string]any:
		table := machine.CreateTable(0, len(known))
		for key, item := range known {
			table.RawSetString(key, toLua(machine, item))
		}
		return table
	default:
		return lua.LNil
	}
}
